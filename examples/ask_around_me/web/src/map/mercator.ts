/**
 * Web Mercator (EPSG:3857) as tiles use it: pure functions, no drawing.
 *
 * The world is a square of side 1: x from 0 at 180° west to 1 at 180° east, y from 0 in the north
 * to 1 in the south. A zoom of z shows it `TILE * 2 ** z` pixels wide.
 */

import type { Point } from "../types.js";

/** Pixels: the side of a tile. */
export const TILE = 256;
/** Degrees: where the square ends, atan(sinh(π)). */
export const MAX_LAT = 85.05112877980659;
export const MIN_ZOOM = 1;
/** Tiles of OpenStreetMap go no further. */
export const MAX_ZOOM = 19;

/** Metres around the equator of the sphere that Web Mercator means (radius 6 378 137 m). */
const EQUATOR = 2 * Math.PI * 6_378_137;

export interface Spot {
  readonly x: number;
  readonly y: number;
}

/** What is looked at, in a field of so many pixels. */
export interface View {
  readonly center: Point;
  readonly zoom: number;
  readonly width: number;
  readonly height: number;
}

export function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** The same longitude from −180 up to, and without, 180. */
export function wrap(lng: number): number {
  if (lng >= -180 && lng < 180) return lng;
  const turned = (((lng + 180) % 360) + 360) % 360;
  return turned - 180;
}

/** Where a point lies in the square. Longitudes beyond 180° go on beyond it: nothing jumps. */
export function project({ lat, lng }: Point): Spot {
  const sin = Math.sin((clamp(lat, -MAX_LAT, MAX_LAT) * Math.PI) / 180);
  return { x: lng / 360 + 0.5, y: 0.5 - Math.atanh(sin) / (2 * Math.PI) };
}

export function unproject({ x, y }: Spot): Point {
  const lat = (Math.atan(Math.sinh((0.5 - y) * 2 * Math.PI)) * 180) / Math.PI;
  return { lat: clamp(lat, -MAX_LAT, MAX_LAT), lng: wrap((x - 0.5) * 360) };
}

/** Pixels of the world's side. */
export function worldSize(zoom: number): number {
  return TILE * 2 ** zoom;
}

export function metresPerPixel(lat: number, zoom: number): number {
  return (EQUATOR * Math.cos((clamp(lat, -MAX_LAT, MAX_LAT) * Math.PI) / 180)) / worldSize(zoom);
}

/** `x` moved by whole worlds to where it is nearest to `near`. */
export function nearestCopy(x: number, near: number): number {
  return x - Math.round(x - near);
}

/** Pixels from the field's top left corner to a point, to its copy that is nearest to the middle. */
export function toScreen(view: View, point: Point): Spot {
  const size = worldSize(view.zoom);
  const middle = project(view.center);
  const spot = project(point);
  return {
    x: view.width / 2 + (nearestCopy(spot.x, middle.x) - middle.x) * size,
    y: view.height / 2 + (spot.y - middle.y) * size,
  };
}

export function toPoint(view: View, at: Spot): Point {
  const size = worldSize(view.zoom);
  const middle = project(view.center);
  return unproject({
    x: middle.x + (at.x - view.width / 2) / size,
    y: middle.y + (at.y - view.height / 2) / size,
  });
}

/** The least zoom at which the world is as high as the field: nothing is shown beyond the poles. */
export function leastZoom(height: number): number {
  return Math.max(MIN_ZOOM, Math.log2(Math.max(1, height) / TILE));
}

/** The same view, with a zoom that exists and no edge of the field beyond a pole. */
export function tame(view: View): View {
  const zoom = clamp(view.zoom, leastZoom(view.height), MAX_ZOOM);
  const half = view.height / 2 / worldSize(zoom);
  const { x, y } = project(view.center);
  const held = clamp(y, half, 1 - half);
  const center = held === y ? view.center : unproject({ x, y: held });
  return { ...view, zoom, center: { lat: center.lat, lng: wrap(center.lng) } };
}

/** Moved so many pixels: what lay right of the middle and below it comes nearer. */
export function panBy(view: View, dx: number, dy: number): View {
  const center = toPoint(view, { x: view.width / 2 + dx, y: view.height / 2 + dy });
  return tame({ ...view, center });
}

/** Zoomed so that the point beneath `at` stays there. */
export function zoomAt(view: View, zoom: number, at: Spot): View {
  const to = clamp(zoom, leastZoom(view.height), MAX_ZOOM);
  const kept = project(toPoint(view, at));
  const size = worldSize(to);
  const center = unproject({
    x: kept.x - (at.x - view.width / 2) / size,
    y: kept.y - (at.y - view.height / 2) / size,
  });
  return tame({ ...view, zoom: to, center });
}

export interface Tile {
  readonly z: number;
  /** Which one to ask for: 0 … 2 ** z − 1. */
  readonly x: number;
  readonly y: number;
  /** Which one it is in the row that goes round and round. */
  readonly column: number;
}

/** The tiles that the view needs, those of the middle first. */
export function tilesOf(view: View, deepest: number = MAX_ZOOM): Tile[] {
  const z = clamp(Math.round(view.zoom), 0, deepest);
  const count = 2 ** z;
  const size = worldSize(view.zoom);
  const middle = project(view.center);
  const across = view.width / 2 / size;
  const along = view.height / 2 / size;
  const last = (edge: number) => Math.ceil(edge * count) - 1;
  const tiles: Tile[] = [];
  const bottom = Math.min(count - 1, last(middle.y + along));
  for (let y = Math.max(0, Math.floor((middle.y - along) * count)); y <= bottom; y += 1) {
    const right = last(middle.x + across);
    for (let column = Math.floor((middle.x - across) * count); column <= right; column += 1) {
      tiles.push({ z, x: ((column % count) + count) % count, y, column });
    }
  }
  const away = ({ column, y }: Tile) =>
    Math.hypot((column + 0.5) / count - middle.x, (y + 0.5) / count - middle.y);
  return tiles.sort((a, b) => away(a) - away(b));
}
