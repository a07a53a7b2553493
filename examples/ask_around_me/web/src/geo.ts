/** Distances on the globe. */

import type { Point } from "./types.js";

/** Metres: the mean radius (IUGG). */
const EARTH = 6_371_008.8;

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Metres between two points, along a great circle (haversine). */
export function metres(a: Point, b: Point): number {
  const lat = Math.sin(radians(b.lat - a.lat) / 2);
  const lng = Math.sin(radians(b.lng - a.lng) / 2);
  const h = lat * lat + Math.cos(radians(a.lat)) * Math.cos(radians(b.lat)) * lng * lng;
  return 2 * EARTH * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** Decimals of degrees that are kept and sent: about a metre, as the server keeps them. */
const DECIMALS = 5;

/** Rounded to what the server keeps, and on the globe: a map may be turned round and round. */
export function tidy(point: Point): Point {
  const lng = ((((point.lng + 180) % 360) + 360) % 360) - 180;
  const lat = Math.max(-90, Math.min(90, point.lat));
  return { lat: Number(lat.toFixed(DECIMALS)), lng: Number(lng.toFixed(DECIMALS)) };
}

/** Which way `b` lies from `a`, as one says it. */
export function direction(a: Point, b: Point): string {
  const east = (b.lng - a.lng) * Math.cos(radians((a.lat + b.lat) / 2));
  const turn = (Math.atan2(east, b.lat - a.lat) * 180) / Math.PI;
  const names = ["north", "north-east", "east", "south-east", "south"];
  const more = ["south-west", "west", "north-west"];
  return [...names, ...more][Math.round((turn + 360) / 45) % 8] ?? "north";
}
