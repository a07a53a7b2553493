/** Land, borders and graticule on a canvas. */

import { arc, graticule, type Line } from "./grid.js";
import { project, type View, worldSize } from "./mercator.js";
import { type Box, cut, type Outline, type Outlines, touches } from "./outlines.js";

export interface Colours {
  readonly sea: string;
  readonly land: string;
  readonly coast: string;
  readonly border: string;
  readonly grid: string;
  readonly fine: string;
  readonly text: string;
  readonly halo: string;
}

/** Pixels drawn beyond the field, so that no cut edge shows. */
const MARGIN = 8;
/** Pixels that labels stand off the edge and their lines. */
const OFF = 5;
/** Pixels at the field's end that are left free of labels: what lies there would cover them. */
const CORNER = 64;
const FONT = '11px ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif';

export function paint(
  canvas: HTMLCanvasElement,
  view: View,
  colours: Colours,
  outlines: Outlines | null,
): void {
  const ratio = globalThis.devicePixelRatio || 1;
  const width = Math.round(view.width * ratio);
  const height = Math.round(view.height * ratio);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = outlines === null ? colours.land : colours.sea;
  context.fillRect(0, 0, view.width, view.height);
  if (outlines !== null) paintOutlines(context, view, colours, outlines);
  paintGrid(context, view, colours);
}

function paintOutlines(
  context: CanvasRenderingContext2D,
  view: View,
  colours: Colours,
  { land, borders }: Outlines,
): void {
  const size = worldSize(view.zoom);
  const middle = project(view.center);
  const across = (view.width / 2 + MARGIN) / size;
  const along = (view.height / 2 + MARGIN) / size;
  const rings = new Path2D();
  const coast = new Path2D();
  const lines = new Path2D();
  // One more on either side: what crosses 180° reaches into the next world.
  const last = Math.floor(middle.x + across) + 1;
  for (let world = Math.floor(middle.x - across) - 1; world <= last; world += 1) {
    const box: Box = {
      left: middle.x - across - world,
      right: middle.x + across - world,
      top: middle.y - along,
      bottom: middle.y + along,
    };
    const px = (x: number) => view.width / 2 + (x + world - middle.x) * size;
    const py = (y: number) => view.height / 2 + (y - middle.y) * size;
    for (const ring of land) {
      if (touches(ring, box)) {
        addRing(rings, coast, isWithin(ring, box) ? ring.points : cut(ring.points, box), px, py);
      }
    }
    for (const line of borders) if (touches(line, box)) addLine(lines, line.points, px, py, view);
  }
  context.lineJoin = "round";
  context.fillStyle = colours.land;
  context.fill(rings, "evenodd");
  context.strokeStyle = colours.coast;
  context.lineWidth = 1;
  context.stroke(coast);
  context.strokeStyle = colours.border;
  context.setLineDash([4, 3]);
  context.stroke(lines);
  context.setLineDash([]);
}

function isWithin(outline: Outline, box: Box): boolean {
  return (
    outline.left >= box.left &&
    outline.right <= box.right &&
    outline.top >= box.top &&
    outline.bottom <= box.bottom
  );
}

type Axis = (value: number) => number;

/** Land goes on to the pole, beyond the square's end: no coast runs there. */
const isEnd = (y: number): boolean => y > 1 - 1e-6;

/** Islands on it are cut in two there, and have no coast where they are cut. */
const isDateLine = (x: number): boolean => Math.abs(x - Math.round(x)) < 1e-9;

function addRing(
  rings: Path2D,
  coast: Path2D,
  points: ArrayLike<number>,
  px: Axis,
  py: Axis,
): void {
  const count = points.length / 2;
  let isDown = false;
  for (let index = 0; index <= count; index += 1) {
    const at = (index % count) * 2;
    const x = points[at] ?? 0;
    const y = points[at + 1] ?? 0;
    const before = index === 0 ? null : at === 0 ? points.length - 2 : at - 2;
    const isCut = before !== null && isDateLine(x) && isDateLine(points[before] ?? 0);
    const runsAlongEnd = isCut || isEnd(y) || (before !== null && isEnd(points[before + 1] ?? 0));
    if (index === 0) rings.moveTo(px(x), py(y));
    else if (index < count) rings.lineTo(px(x), py(y));
    if (isDown && !runsAlongEnd) coast.lineTo(px(x), py(y));
    else coast.moveTo(px(x), py(y));
    isDown = true;
  }
  rings.closePath();
}

function addLine(path: Path2D, points: Float64Array, px: Axis, py: Axis, view: View): void {
  let x = 0;
  let y = 0;
  for (let index = 0; index + 1 < points.length; index += 2) {
    const toX = px(points[index] ?? 0);
    const toY = py(points[index + 1] ?? 0);
    const isSeen =
      Math.max(x, toX) >= 0 &&
      Math.min(x, toX) <= view.width &&
      Math.max(y, toY) >= 0 &&
      Math.min(y, toY) <= view.height;
    if (index > 0 && isSeen) {
      path.moveTo(x, y);
      path.lineTo(toX, toY);
    }
    x = toX;
    y = toY;
  }
}

function paintGrid(context: CanvasRenderingContext2D, view: View, colours: Colours): void {
  const { meridians, parallels } = graticule(view);
  const middle = project(view.center);
  const size = worldSize(view.zoom);
  const top = Math.max(0, view.height / 2 - middle.y * size);
  const bottom = Math.min(view.height, view.height / 2 + (1 - middle.y) * size);
  // Half a pixel: a line of one pixel then covers one, not two halves.
  const crisp = (pixel: number) => Math.round(pixel) + 0.5;
  for (const isFine of [true, false]) {
    context.beginPath();
    for (const line of meridians.filter((one) => one.isFine === isFine)) {
      context.moveTo(crisp(line.pixel), top);
      context.lineTo(crisp(line.pixel), bottom);
    }
    for (const line of parallels.filter((one) => one.isFine === isFine)) {
      context.moveTo(0, crisp(line.pixel));
      context.lineTo(view.width, crisp(line.pixel));
    }
    context.strokeStyle = isFine ? colours.fine : colours.grid;
    context.lineWidth = 1;
    context.stroke();
  }
  context.font = FONT;
  context.textBaseline = "top";
  context.lineJoin = "round";
  const isLabelled = ({ pixel, isFine }: Line, length: number) =>
    !isFine && pixel > CORNER && pixel < length - CORNER;
  context.textAlign = "left";
  for (const line of meridians.filter((one) => isLabelled(one, view.width))) {
    write(context, arc(line.at, "lng"), line.pixel + OFF, OFF, colours);
  }
  for (const line of parallels.filter((one) => isLabelled(one, view.height))) {
    write(context, arc(line.at, "lat"), OFF, line.pixel + OFF, colours);
  }
}

function write(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  { text: fill, halo }: Colours,
): void {
  context.strokeStyle = halo;
  context.lineWidth = 3;
  context.strokeText(text, x, y);
  context.fillStyle = fill;
  context.fillText(text, x, y);
}

/** The colours that the style sheet gives the canvas: they follow the scheme. */
export function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(`--map-${name}`).trim();
  return {
    ...{ sea: of("sea"), land: of("land"), coast: of("coast"), border: of("border") },
    ...{ grid: of("grid"), fine: of("fine"), text: of("text"), halo: of("land") },
  };
}
