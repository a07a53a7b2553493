import { expect, test } from "vitest";
import { CROWDED, clusters } from "../../src/map/cluster.js";
import { nearestCopy, project, worldSize } from "../../src/map/mercator.js";
import type { Marker } from "../../src/map/types.js";
import { numbers } from "./numbers.js";

function markersAround(lat: number, lng: number, count: number, spread: number): Marker[] {
  const next = numbers(count + Math.round(lng));
  return Array.from({ length: count }, (_, index) => ({
    id: String(index),
    at: { lat: lat + next(-spread, spread), lng: lng + next(-spread, spread) },
    kind: index % 2 === 0 ? "stars" : "place",
    label: `Question ${index}`,
    ...{ active: false, fresh: false },
  }));
}

test.each([
  [47.4, 8.5],
  [0, 180],
  [-77, -179.99],
])("around %d, %d each marker is in one cluster, and no two lie on each other", (lat, lng) => {
  const markers = markersAround(lat, lng, 200, 0.1);
  for (const zoom of [1, 3, 9.5, 11, 12.5, 14, 17, 19]) {
    const found = clusters(markers, zoom);
    const ids = found.flatMap(({ all }) => all.map(({ id }) => id));
    expect(new Set(ids).size).toBe(200);
    expect(ids.length).toBe(200);
    const size = worldSize(zoom);
    const spots = found.map(({ first }) => project(first.at));
    for (const [index, a] of spots.entries()) {
      for (const b of spots.slice(index + 1)) {
        const away = Math.hypot(nearestCopy(b.x, a.x) - a.x, b.y - a.y) * size;
        expect(away).toBeGreaterThanOrEqual(CROWDED);
      }
    }
  }
});

test("the whole circle is one when seen from afar, and all apart from near by", () => {
  const markers = markersAround(47.4, 8.5, 50, 0.05);
  expect(clusters(markers, 3)).toHaveLength(1);
  expect(clusters(markers, 19)).toHaveLength(50);
});

test("a cluster stands at its first, the nearest; an active marker stands alone", () => {
  const [first, ...rest] = markersAround(10, 10, 5, 0.001);
  if (first === undefined) throw new Error("no markers");
  const [one] = clusters([first, ...rest], 5);
  expect(one?.first).toBe(first);
  const found = clusters([{ ...first, active: true }, ...rest], 5);
  expect(found.map(({ all }) => all.length)).toEqual([4, 1]);
});
