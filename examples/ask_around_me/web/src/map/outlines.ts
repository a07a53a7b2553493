/** Coast lines and borders: the files that outlines.mjs makes, read and cut to what is in view. */

import { clamp, project, type Spot } from "./mercator.js";

/** A ring of land or a line of a border, in the square of Web Mercator: x, y, x, y, … */
export interface Outline {
  readonly points: Float64Array;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Outlines {
  readonly land: readonly Outline[];
  readonly borders: readonly Outline[];
}

/** Throws `RangeError` for bytes that end too early. */
export function readOutlines(bytes: Uint8Array): Outlines {
  let next = 0;
  const unsigned = (): number => {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = bytes[next];
      if (byte === undefined) throw new RangeError("The outlines end too early.");
      next += 1;
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  };
  const signed = (): number => {
    const value = unsigned();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  };
  const steps = unsigned();
  let lng = 0;
  let lat = 0;
  const read = (): Outline[] =>
    Array.from({ length: unsigned() }, () => {
      const points = new Float64Array(2 * unsigned());
      for (let index = 0; index < points.length; index += 2) {
        lng += signed();
        lat += signed();
        const { x, y } = project({ lat: lat / steps, lng: lng / steps });
        points[index] = x;
        points[index + 1] = y;
      }
      return outlineOf(points);
    });
  return { land: read(), borders: read() };
}

function outlineOf(points: Float64Array): Outline {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const { x, y } of spots(points)) {
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  }
  return { points, ...box };
}

function* spots(points: Float64Array): Generator<Spot> {
  for (let index = 0; index + 1 < points.length; index += 2) {
    yield { x: points[index] ?? 0, y: points[index + 1] ?? 0 };
  }
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export function touches(a: Box, b: Box): boolean {
  return a.left <= b.right && a.right >= b.left && a.top <= b.bottom && a.bottom >= b.top;
}

/** A ring cut to a box (Sutherland and Hodgman): far off points cost nothing to fill, and no care. */
export function cut(points: ArrayLike<number>, box: Box): number[] {
  let ring: number[] = Array.from(points);
  for (const [axis, edge, sign] of [
    [0, box.left, 1],
    [0, box.right, -1],
    [1, box.top, 1],
    [1, box.bottom, -1],
  ] as const) {
    const kept: number[] = [];
    const count = ring.length / 2;
    for (let index = 0; index < count; index += 1) {
      const before = ((index + count - 1) % count) * 2;
      const ax = ring[before] ?? 0;
      const ay = ring[before + 1] ?? 0;
      const bx = ring[index * 2] ?? 0;
      const by = ring[index * 2 + 1] ?? 0;
      const from = ((axis === 0 ? ax : ay) - edge) * sign;
      const to = ((axis === 0 ? bx : by) - edge) * sign;
      if (from < 0 !== to < 0) {
        const part = clamp(from / (from - to), 0, 1);
        kept.push(ax + (bx - ax) * part, ay + (by - ay) * part);
      }
      if (to >= 0) kept.push(bx, by);
    }
    ring = kept;
  }
  return ring;
}

/** Where the build put the two files; not there outside a bundle. */
declare const OUTLINES: { readonly coarse: string; readonly fine: string };

export type Detail = "coarse" | "fine";

/** From this zoom on the fine ones. */
const FINE = 4;

export function detailFor(zoom: number): Detail {
  return zoom < FINE ? "coarse" : "fine";
}

const loaded = new Map<Detail, Promise<Outlines>>();

/** Rejects where there is no network; asked again, it tries again. */
export function loadOutlines(detail: Detail): Promise<Outlines> {
  const known = loaded.get(detail);
  if (known !== undefined) return known;
  const outlines = fetchOutlines(OUTLINES[detail]);
  loaded.set(detail, outlines);
  outlines.catch(() => loaded.delete(detail));
  return outlines;
}

async function fetchOutlines(url: string): Promise<Outlines> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return readOutlines(new Uint8Array(await response.arrayBuffer()));
}
