import { expect, test } from "vitest";
import {
  arc,
  fineStep,
  graticule,
  labelTurn,
  length,
  onRing,
  ringsFor,
  scaleBar,
  stepFor,
} from "../../src/map/grid.js";
import { metresPerPixel, tame, toScreen } from "../../src/map/mercator.js";
import { shadeOf } from "../../src/map/shade.js";
import { numbers } from "./numbers.js";

const VIEW = { center: { lat: 47.3769, lng: 8.5417 }, zoom: 11, width: 900, height: 700 };

test.each([
  [0, "lng", "0°"],
  [0, "lat", "0°"],
  [47 * 3600 + 22 * 60, "lat", "47°22′ N"],
  [-(74 * 3600 + 3), "lng", "74°00′03″ W"],
  [-30 * 3600, "lat", "30° S"],
  [190 * 3600, "lng", "170° W"],
  [-180 * 3600, "lng", "180°"],
  [8 * 3600 + 5 * 60, "lng", "8°05′ E"],
] as const)("%d seconds of %s are written %s", (seconds, axis, text) => {
  expect(arc(seconds, axis)).toBe(text);
});

test("steps rise as one goes away, and fine ones divide them", () => {
  let before = 0;
  for (let zoom = 19; zoom >= 1; zoom -= 0.5) {
    const step = stepFor((256 * 2 ** zoom) / 360);
    expect(step).toBeGreaterThanOrEqual(before);
    expect(step % fineStep(step)).toBe(0);
    before = step;
  }
});

test("labelled lines are far enough apart, few enough, and where they say", () => {
  const next = numbers(5);
  for (let index = 0; index < 200; index += 1) {
    const center = { lat: next(-80, 80), lng: next(-180, 180) };
    const view = tame({ center, zoom: next(2, 19), width: 900, height: 700 });
    const { meridians, parallels } = graticule(view);
    expect(meridians.length + parallels.length).toBeLessThan(260);
    const labelled = meridians.filter(({ isFine }) => !isFine);
    for (const [at, line] of labelled.entries()) {
      const former = labelled[at - 1];
      if (former !== undefined) expect(line.pixel - former.pixel).toBeGreaterThan(100);
    }
    for (const line of parallels) {
      const { y } = toScreen(view, { lat: line.at / 3600, lng: view.center.lng });
      expect(line.pixel).toBeCloseTo(y, 3);
      expect(line.pixel).toBeGreaterThanOrEqual(-0.001);
      expect(line.pixel).toBeLessThanOrEqual(view.height + 0.001);
    }
  }
});

test("a scale bar is a round length, at least 40 % of what it may be, and as long as it says", () => {
  for (let zoom = 1; zoom <= 19; zoom += 0.25) {
    const view = { ...VIEW, zoom };
    const { metres, pixels } = scaleBar(view, 110);
    expect(String(metres)).toMatch(/^[125]0*$|^0\.[125]$/);
    expect(pixels).toBeLessThanOrEqual(110);
    expect(pixels).toBeGreaterThanOrEqual(44);
    expect(pixels * metresPerPixel(VIEW.center.lat, zoom)).toBeCloseTo(metres, 6);
  }
});

test("lengths are in the unit one would say", () => {
  expect([250, 1000, 1500, 20_000].map(length)).toEqual(["250 m", "1 km", "1.5 km", "20 km"]);
});

test("the circle of 8 km has rings of 2 and 4 km within", () => {
  expect(ringsFor(VIEW, 8000)).toEqual([2000, 4000, 8000]);
});

test("from near by there are rings of less, from afar the circle alone; without one, as there is room", () => {
  expect(ringsFor({ ...VIEW, zoom: 13 }, 8000)).toEqual([2000, 4000, 8000]);
  expect(ringsFor({ ...VIEW, zoom: 7 }, 8000)).toEqual([8000]);
  expect(ringsFor({ ...VIEW, zoom: 15 }, 0)).toEqual([250, 500, 1000]);
});

test("the fullest cell is the strongest, and none is without a shade", () => {
  expect([1, 8, 9, 24, 33, 40].map((count) => shadeOf(count, 40))).toEqual([1, 1, 2, 3, 5, 5]);
  expect(shadeOf(1, 1)).toBe(5);
  expect(shadeOf(1, 500)).toBe(1);
});

test("a ring's label stands in the south, or where no marker is on it", () => {
  const field = { x: 900, y: 700 };
  expect(labelTurn(100, [], field)).toBe(0);
  expect(labelTurn(100, [onRing(60, 0), onRing(100, 1)], field)).toBe(0);
  const south = [onRing(100, 0), onRing(110, 0.1)];
  const turn = labelTurn(100, south, field);
  const label = onRing(100, turn);
  expect(turn).not.toBe(0);
  for (const { x, y } of south) {
    expect(Math.abs(x - label.x) >= 38 || Math.abs(y - label.y) >= 28).toBe(true);
  }
  // Where all is covered, the least; where the field ends, nowhere beyond it.
  const all = Array.from({ length: 64 }, (_, index) => onRing(100, index / 10));
  expect(labelTurn(100, [...all, onRing(100, 0), onRing(100, 0)], field)).not.toBe(0);
  const flat = labelTurn(300, [], { x: 900, y: 400 });
  expect(Math.abs(onRing(300, flat).y)).toBeLessThan(200);
  expect(labelTurn(3000, [], field)).toBe(0);
});
