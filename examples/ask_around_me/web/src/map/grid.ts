/** Steps of the graticule and of the scale bar, and how they are written: pure functions. */

import { metresPerPixel, project, type Spot, toPoint, type View, worldSize } from "./mercator.js";

/** Seconds of arc: what a degree, a minute and a second divide into evenly. */
const STEPS = [
  ...[1, 2, 5, 10, 20, 30].map((second) => second),
  ...[1, 2, 5, 10, 20, 30].map((minute) => minute * 60),
  ...[1, 2, 5, 10, 20, 30, 45].map((degree) => degree * 3600),
] as const;
/** Pixels: lines with labels are no nearer to each other. */
const APART = 110;
/** How many parts the lines between them make, the first that divides evenly is taken. */
const PARTS = [5, 4, 3, 2] as const;
/** Metres of the rings around a place. */
const RINGS = [125, 250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000] as const;
/** Pixels: a ring's radius is no less. */
const LEAST_RING = 30;

const DEGREE = 3600;

/** The least step, in seconds of arc, whose lines are `apart` pixels from each other. */
export function stepFor(pixelsPerDegree: number, apart: number = APART): number {
  const enough = STEPS.find((step) => (step / DEGREE) * pixelsPerDegree >= apart);
  return enough ?? STEPS[STEPS.length - 1] ?? DEGREE;
}

/** The step of the fine lines between those of `step`. */
export function fineStep(step: number): number {
  const finest = STEPS[0] ?? 1;
  const parts = PARTS.find((part) => step % part === 0 && step / part >= finest);
  return parts === undefined ? step : step / parts;
}

export interface Line {
  /** Seconds of arc. */
  readonly at: number;
  /** Pixels from the left (of a meridian) or the top (of a parallel). */
  readonly pixel: number;
  readonly isFine: boolean;
}

export interface Graticule {
  readonly meridians: readonly Line[];
  readonly parallels: readonly Line[];
}

export function graticule(view: View): Graticule {
  const size = worldSize(view.zoom);
  const middle = project(view.center);
  const across = size / 360;
  const along = across / Math.cos((view.center.lat * Math.PI) / 180);
  const left = view.center.lng - view.width / 2 / across;
  const right = view.center.lng + view.width / 2 / across;
  const top = toPoint(view, { x: view.width / 2, y: 0 }).lat;
  const bottom = toPoint(view, { x: view.width / 2, y: view.height }).lat;
  return {
    meridians: lines(stepFor(across), left, right, (at) => {
      return view.width / 2 + (at / DEGREE - view.center.lng) * across;
    }),
    parallels: lines(stepFor(along), bottom, top, (at) => {
      return view.height / 2 + (project({ lat: at / DEGREE, lng: 0 }).y - middle.y) * size;
    }),
  };
}

function lines(
  step: number,
  from: number,
  to: number,
  pixelOf: (at: number) => number,
): readonly Line[] {
  const fine = fineStep(step);
  const found: Line[] = [];
  const last = Math.floor((to * DEGREE) / fine);
  for (let index = Math.ceil((from * DEGREE) / fine); index <= last; index += 1) {
    const at = index * fine;
    found.push({ at, pixel: pixelOf(at), isFine: at % step !== 0 });
  }
  return found;
}

/** `47°22′ N`, of seconds of arc; minutes and seconds only where there are any. */
export function arc(seconds: number, axis: "lat" | "lng"): string {
  const turned =
    axis === "lat"
      ? seconds
      : ((((seconds + 648_000) % 1_296_000) + 1_296_000) % 1_296_000) - 648_000;
  const all = Math.round(Math.abs(turned));
  const degrees = Math.floor(all / DEGREE);
  const minutes = Math.floor((all % DEGREE) / 60);
  const rest = all % 60;
  const two = (value: number) => String(value).padStart(2, "0");
  const fraction =
    rest > 0 ? `${two(minutes)}′${two(rest)}″` : minutes > 0 ? `${two(minutes)}′` : "";
  const isEdge = all === 0 || (axis === "lng" && all === 648_000);
  const [positive, negative] = axis === "lat" ? ["N", "S"] : ["E", "W"];
  return `${degrees}°${fraction}${isEdge ? "" : ` ${turned < 0 ? negative : positive}`}`;
}

/** `1.5 km`, `250 m`. */
export function length(metres: number): string {
  return metres < 1000 ? `${metres} m` : `${metres / 1000} km`;
}

export interface Scale {
  readonly metres: number;
  readonly pixels: number;
}

/** The longest of 1, 2, 5, 10, 20, … metres that is no wider than `most` pixels. */
export function scaleBar(view: View, most: number): Scale {
  const each = metresPerPixel(view.center.lat, view.zoom);
  const power = 10 ** Math.floor(Math.log10(each * most));
  const metres = [5, 2, 1].map((times) => times * power).find((all) => all <= each * most) ?? power;
  return { metres: Math.max(metres, power), pixels: metres / each };
}

/** Metres of the rings to draw, the outermost last: no farther than `outermost` where that is set. */
export function ringsFor(view: View, outermost: number): readonly number[] {
  const each = metresPerPixel(view.center.lat, view.zoom);
  const most = outermost > 0 ? outermost : (each * Math.hypot(view.width, view.height)) / 2;
  const seen = RINGS.filter((metres) => metres < most && metres / each >= LEAST_RING).slice(-3);
  return outermost > 0 ? [...seen.slice(-2), outermost] : seen;
}

/** Turns from the south at which a ring's label may stand, the best first: none on the compass. */
const TURNS = [0, 1, -1, 3, -3, 5, -5, 7, -7].map((times) => (times * Math.PI) / 8);
/** Pixels between the middles of a label and of a marker that leave both free. */
const FREE: Spot = { x: 38, y: 28 };
/** Pixels of a label on both sides of its middle. */
const HALF: Spot = { x: 20, y: 10 };

/** A place on a ring, from the ring's middle. */
export function onRing(radius: number, turn: number): Spot {
  return { x: Math.sin(turn) * radius, y: Math.cos(turn) * radius };
}

/**
 * The turn at which a ring's label has the fewest markers on it, of those that are in the field;
 * markers are given from the ring's middle, which is the field's.
 */
export function labelTurn(radius: number, markers: readonly Spot[], field: Spot): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (const turn of TURNS) {
    const { x, y } = onRing(radius, turn);
    const isSeen = Math.abs(x) + HALF.x < field.x / 2 && Math.abs(y) + HALF.y < field.y / 2;
    const on = markers.filter((each) => {
      return Math.abs(each.x - x) < FREE.x && Math.abs(each.y - y) < FREE.y;
    }).length;
    if (isSeen && on < least) [best, least] = [turn, on];
  }
  return best;
}
