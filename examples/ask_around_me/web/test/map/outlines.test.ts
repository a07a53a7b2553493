import { gzipSync } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { coarse, fine } from "../../outlines.mjs";
import { project } from "../../src/map/mercator.js";
import { cut, type Outlines, readOutlines } from "../../src/map/outlines.js";
import { numbers } from "./numbers.js";

let files: { coarse: Uint8Array; fine: Uint8Array };
beforeAll(async () => {
  files = { coarse: await coarse(), fine: await fine() };
});

/** Whether a place is on land: how often a line west of it meets a coast. */
function isLand({ land }: Outlines, lat: number, lng: number): boolean {
  const { x, y } = project({ lat, lng });
  let isIn = false;
  for (const { points } of land) {
    for (const world of [-1, 0, 1]) {
      for (let index = 0; index < points.length; index += 2) {
        const to = (index + 2) % points.length;
        const [ax, ay, bx, by] = [points[index], points[index + 1], points[to], points[to + 1]];
        if (ax === undefined || ay === undefined || bx === undefined || by === undefined) continue;
        if (ay > y !== by > y && world + ax + ((y - ay) / (by - ay)) * (bx - ax) < x) isIn = !isIn;
      }
    }
  }
  return isIn;
}

test.each([
  ["Zürich", 47.38, 8.54, true],
  ["the Atlantic", 40, -40, false],
  ["Kansas", 38.5, -98, true],
  ["Chukotka, beyond 180°", 67, -175, true],
  ["the Bering Sea", 60, 180, false],
  ["Antarctica", -82, 20, true],
  ["the Southern Ocean", -60, 100, false],
  ["the Caspian Sea", 41.5, 50.8, false],
  ["Tasmania", -42, 146.5, true],
])("%s is where it is, on both", (_, lat, lng, land) => {
  expect(isLand(readOutlines(files.coarse), lat, lng)).toBe(land);
  expect(isLand(readOutlines(files.fine), lat, lng)).toBe(land);
});

test("no line jumps across the world but the pole's", () => {
  for (const bytes of [files.coarse, files.fine]) {
    const { land, borders } = readOutlines(bytes);
    for (const { points } of [...land, ...borders]) {
      for (let index = 2; index < points.length; index += 2) {
        const jump = Math.abs((points[index] ?? 0) - (points[index - 2] ?? 0));
        if (jump > 0.1) expect(points[index + 1]).toBeCloseTo(1, 9);
      }
    }
  }
});

test("both are small enough to be sent: 150 kB together, compressed", () => {
  const size = (bytes: Uint8Array) => gzipSync(bytes).length;
  expect(size(files.coarse) + size(files.fine)).toBeLessThan(150_000);
  expect(readOutlines(files.fine).borders.length).toBeGreaterThan(100);
});

test("a file that was cut off says so", () => {
  expect(() => readOutlines(files.coarse.subarray(0, 9000))).toThrow(RangeError);
});

const BOX = { left: 0, top: 0, right: 1, bottom: 1 };

function area(ring: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < ring.length; index += 2) {
    const to = (index + 2) % ring.length;
    sum += (ring[index] ?? 0) * (ring[to + 1] ?? 0) - (ring[to] ?? 0) * (ring[index + 1] ?? 0);
  }
  return Math.abs(sum / 2);
}

test.each([
  ["within stays", [0.2, 0.2, 0.8, 0.2, 0.5, 0.8], 0.18],
  ["around is the box", [-5, -5, 5, -5, 5, 5, -5, 5], 1],
  ["beside is nothing", [2, 2, 3, 2, 3, 3], 0],
  ["half is half", [0.5, -1, 3, -1, 3, 2, 0.5, 2], 0.5],
  ["a corner is a corner", [-1, -1, 0.5, -1, 0.5, 0.5, -1, 0.5], 0.25],
])("a ring that is %s", (_, ring, left) => {
  expect(area(cut(ring, BOX))).toBeCloseTo(left, 9);
});

test("whatever is cut is in the box", () => {
  const next = numbers(6);
  for (let index = 0; index < 300; index += 1) {
    const ring = Array.from({ length: 2 * Math.round(next(3, 30)) }, () => next(-2, 3));
    for (const value of cut(ring, BOX)) {
      expect(value).toBeGreaterThan(-1e-9);
      expect(value).toBeLessThan(1 + 1e-9);
    }
  }
});
