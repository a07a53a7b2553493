// Coast lines and borders for the map, from Natural Earth (public domain) as world-atlas packs it,
// in a form that a browser reads fast: bytes that src/map/outlines.ts takes apart again.
//
// Every number is a variable-length integer, 7 bits in a byte, the lowest first, the 8th bit set
// on all but the last; signed ones are zigzag-encoded. A file is: steps in a degree; how many
// rings of land, and the rings; how many lines of borders, and the lines. A ring or a line is: how
// many points; for each of them the steps east and north of the point before it, also across rings.
// A ring's first point does not come again at its end. Beyond 180° longitudes go on, so that nothing
// jumps; Antarctica goes around the world along its coast and back along the pole.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { feature, merge, mesh } from "topojson-client";
import { presimplify, simplify } from "topojson-simplify";

const { resolve } = createRequire(import.meta.url);

/** 0.005°, about 500 m: finer than 1:50 000 000 is right. */
const STEPS = 200;
/** Square degrees: a point whose triangle with its neighbours is smaller says nothing. */
const LEAST = 4e-4;

/** For a world on one screen: 1:110 000 000, no borders. */
export async function coarse() {
  const topology = await atlas("land-110m");
  return pack(ringsOf(feature(topology, topology.objects.land)), []);
}

/** For countries and nearer: 1:50 000 000, with borders. */
export async function fine() {
  const topology = simplify(presimplify(await atlas("countries-50m")), LEAST);
  const { countries } = topology.objects;
  const borders = mesh(topology, countries, (a, b) => a !== b);
  return pack(ringsOf(merge(topology, countries.geometries)), borders.coordinates);
}

async function atlas(name) {
  return JSON.parse(await readFile(resolve(`world-atlas/${name}.json`), "utf8"));
}

function ringsOf(thing) {
  if (thing.type === "FeatureCollection") return thing.features.flatMap(ringsOf);
  if (thing.type === "Feature") return ringsOf(thing.geometry);
  return thing.type === "Polygon" ? thing.coordinates : thing.coordinates.flat();
}

function pack(rings, lines) {
  const bytes = [];
  const unsigned = (value) => {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest & 127) | 128);
    bytes.push(rest);
  };
  const signed = (value) => unsigned(value < 0 ? -2 * value - 1 : 2 * value);
  const before = [0, 0];
  const write = (all) => {
    unsigned(all.length);
    for (const points of all) {
      unsigned(points.length);
      for (const point of points) {
        for (const axis of [0, 1]) {
          signed(point[axis] - before[axis]);
          before[axis] = point[axis];
        }
      }
    }
  };
  unsigned(STEPS);
  // The least ring is a triangle; the least line has two ends.
  write(rings.map((ring) => rounded(ring).slice(0, -1)).filter(({ length }) => length > 2));
  write(lines.map(rounded).filter(({ length }) => length > 1));
  return Uint8Array.from(bytes);
}

/** In whole steps, without points that fall on the one before them. */
function rounded(points) {
  const all = unwound(points).map((point) => point.map((degrees) => Math.round(degrees * STEPS)));
  return all.filter(
    ([x, y], index) => index === 0 || x !== all[index - 1][0] || y !== all[index - 1][1],
  );
}

/** Without jumps between 180° and −180°. A ring that goes around the pole is closed along it. */
function unwound(points) {
  let turns = 0;
  const all = points.map(([lng, lat], index) => {
    const jump = index === 0 ? 0 : lng - points[index - 1][0];
    if (Math.abs(jump) > 180) turns -= 360 * Math.sign(jump);
    return [lng + turns, lat];
  });
  const [first, last] = [all[0], all[all.length - 1]];
  if (Math.abs(last[0] - first[0]) < 359) return all;
  return [...all, [last[0], -90], [first[0], -90], first];
}
