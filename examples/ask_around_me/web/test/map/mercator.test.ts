import { expect, test } from "vitest";
import { metres } from "../../src/geo.js";
import {
  leastZoom,
  MAX_LAT,
  MAX_ZOOM,
  metresPerPixel,
  panBy,
  project,
  tame,
  tilesOf,
  toPoint,
  toScreen,
  unproject,
  type View,
  wrap,
  zoomAt,
} from "../../src/map/mercator.js";
import { numbers } from "./numbers.js";

const ZURICH = { lat: 47.3769, lng: 8.5417 };
const FIELD: View = { center: ZURICH, zoom: 11, width: 390, height: 300 };

/** Views all over the world, at all zooms and sizes, as the map lets them be. */
function* views(count: number): Generator<View> {
  const next = numbers(count);
  for (let index = 0; index < count; index += 1) {
    yield tame({
      center: { lat: next(-85, 85), lng: next(-180, 180) },
      ...{ zoom: next(1, 19), width: Math.round(next(200, 2000)) },
      height: Math.round(next(150, 1500)),
    });
  }
}

test("the square's corners, its middle, and a tile that is known", () => {
  expect(project({ lat: 0, lng: 0 })).toEqual({ x: 0.5, y: 0.5 });
  expect(project({ lat: MAX_LAT, lng: -180 }).y).toBeCloseTo(0, 12);
  expect(project({ lat: -MAX_LAT, lng: 180 }).x).toBe(1);
  // Zürich at zoom 11 lies in the tile 11/1072/717.
  const { x, y } = project(ZURICH);
  expect([Math.floor(x * 2 ** 11), Math.floor(y * 2 ** 11)]).toEqual([1072, 717]);
});

test("what is projected comes back", () => {
  const next = numbers(1);
  for (let index = 0; index < 2000; index += 1) {
    const point = { lat: next(-MAX_LAT, MAX_LAT), lng: next(-180, 180) };
    const back = unproject(project(point));
    expect(back.lat).toBeCloseTo(point.lat, 9);
    expect(back.lng).toBeCloseTo(point.lng, 9);
  }
});

test("beyond the ends of the square there is only its end", () => {
  expect(project({ lat: 90, lng: 0 })).toEqual(project({ lat: MAX_LAT, lng: 0 }));
  expect(unproject({ x: 0.5, y: -3 }).lat).toBe(MAX_LAT);
  expect(unproject({ x: 0.5, y: 4 }).lat).toBe(-MAX_LAT);
});

test.each([
  [180, -180],
  [-180, -180],
  [190, -170],
  [-541, 179],
  [8.5417, 8.5417],
  [720, 0],
])("a longitude of %d is one of %d", (lng, wrapped) => {
  expect(wrap(lng)).toBe(wrapped);
});

test("a pixel is the point it shows, in every view", () => {
  const next = numbers(2);
  for (const view of views(500)) {
    const at = { x: next(0, view.width), y: next(0, view.height) };
    const shown = toScreen(view, toPoint(view, at));
    const turn = 256 * 2 ** view.zoom;
    // A field that is wider than the world shows a point more than once.
    const across = Math.abs(shown.x - at.x) % turn;
    expect(Math.min(across, turn - across)).toBeLessThan(1e-3);
    expect(Math.abs(shown.y - at.y)).toBeLessThan(1e-3);
  }
});

test("what lies across the date line is beside, not on the other side of the world", () => {
  const view = { ...FIELD, center: { lat: -16.8, lng: 179.99 } };
  const { x } = toScreen(view, { lat: -16.8, lng: -179.99 });
  expect(x).toBeGreaterThan(view.width / 2);
  expect(x).toBeLessThan(view.width / 2 + 60);
});

test("zooming keeps what is beneath the pointer, where no pole stops it", () => {
  const next = numbers(3);
  for (let index = 0; index < 300; index += 1) {
    const view = {
      ...FIELD,
      center: { lat: next(-60, 60), lng: next(-180, 180) },
      zoom: next(6, 18),
    };
    const at = { x: next(0, view.width), y: next(0, view.height) };
    const after = zoomAt(view, view.zoom + next(-2, 2), at);
    expect(after.zoom).toBeLessThanOrEqual(MAX_ZOOM);
    expect(metres(toPoint(view, at), toPoint(after, at))).toBeLessThan(0.01);
  }
});

test("there and back again", () => {
  const back = panBy(panBy(FIELD, 120, -75), -120, 75);
  expect(metres(back.center, FIELD.center)).toBeLessThan(0.01);
});

test("however one pans and zooms, no edge of the field is beyond a pole", () => {
  const next = numbers(4);
  for (let view of views(200)) {
    for (let step = 0; step < 5; step += 1) {
      view = panBy(view, next(-4000, 4000), next(-4000, 4000));
      view = zoomAt(view, view.zoom + next(-3, 3), { x: next(0, view.width), y: 0 });
    }
    const size = 256 * 2 ** view.zoom;
    const { y } = project(view.center);
    expect(y - view.height / 2 / size).toBeGreaterThan(-1e-9);
    expect(y + view.height / 2 / size).toBeLessThan(1 + 1e-9);
    expect(view.zoom).toBeGreaterThanOrEqual(leastZoom(view.height));
    expect(view.center.lng).toBeGreaterThanOrEqual(-180);
    expect(view.center.lng).toBeLessThan(180);
  }
});

test("a pixel is as many metres as the globe says", () => {
  const a = toPoint(FIELD, { x: 145, y: 150 });
  const b = toPoint(FIELD, { x: 245, y: 150 });
  // The sphere of Web Mercator is 0.11 % larger than the mean one.
  const ratio = (100 * metresPerPixel(ZURICH.lat, 11)) / metres(a, b);
  expect(ratio).toBeGreaterThan(0.998);
  expect(ratio).toBeLessThan(1.003);
});

test("the tiles of a view cover each of its pixels, exist, and come once", () => {
  for (const view of views(200)) {
    const tiles = tilesOf(view);
    const keys = new Set(tiles.map(({ column, y }) => `${column} ${y}`));
    expect(keys.size).toBe(tiles.length);
    for (const { x, y, z } of tiles) {
      expect([x, y].every((at) => at >= 0 && at < 2 ** z && Number.isInteger(at))).toBe(true);
    }
    const size = 256 * 2 ** view.zoom;
    const count = 2 ** Math.round(view.zoom);
    const middle = project(view.center);
    const column = (pixel: number) =>
      Math.floor((middle.x + (pixel - view.width / 2) / size) * count);
    const row = (pixel: number) =>
      Math.floor((middle.y + (pixel - view.height / 2) / size) * count);
    for (const x of [0.01, view.width / 2, view.width - 0.01]) {
      for (const y of [0.01, view.height / 2, view.height - 0.01]) {
        expect(keys).toContain(`${column(x)} ${row(y)}`);
      }
    }
  }
});

test("tiles are shown at about their size, and the middle one is asked for first", () => {
  const view = { ...FIELD, zoom: 11.4 };
  const [first] = tilesOf(view);
  expect(first).toEqual({ z: 11, x: 1072, y: 717, column: 1072 });
  expect(tilesOf({ ...view, zoom: 11.6 })[0]?.z).toBe(12);
  expect(tilesOf({ ...view, zoom: 25 })[0]?.z).toBe(MAX_ZOOM);
});

test("across the date line the row of tiles goes on", () => {
  const view = { ...FIELD, center: { lat: 0, lng: 180 }, zoom: 3 };
  const found = tilesOf(view);
  expect(new Set(found.map(({ x }) => x))).toEqual(new Set([0, 7]));
});
