import { expect, test } from "vitest";
import { restorePlace } from "../src/state/place.js";

test("a place that was kept is one, or none", () => {
  const place = { at: { lat: 47.3769, lng: 8.5417 }, zoom: 11, source: "map" } as const;
  expect(restorePlace(JSON.parse(JSON.stringify(place)))).toEqual(place);
  expect(restorePlace({ ...place, source: "moon" })).toBeUndefined();
  expect(restorePlace({ ...place, at: { lat: null, lng: 8 } })).toBeUndefined();
});
