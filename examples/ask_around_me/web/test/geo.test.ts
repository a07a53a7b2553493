import { expect, test } from "vitest";
import { direction, metres, tidy } from "../src/geo.js";

const ZURICH = { lat: 47.3769, lng: 8.5417 };

test("a degree of latitude is 111 km everywhere, one of longitude less towards the poles", () => {
  expect(metres({ lat: 0, lng: 0 }, { lat: 1, lng: 0 })).toBeCloseTo(111_195, -1);
  expect(metres({ lat: 60, lng: 0 }, { lat: 60, lng: 1 })).toBeCloseTo(55_597, -2);
});

test("the date line is no distance", () => {
  expect(metres({ lat: 0, lng: 179.999 }, { lat: 0, lng: -179.999 })).toBeLessThan(300);
});

test.each([
  [
    { lat: 0, lng: 190 },
    { lat: 0, lng: -170 },
  ],
  [
    { lat: 91, lng: -541 },
    { lat: 90, lng: 179 },
  ],
  [
    { lat: 1.23456789, lng: 2 },
    { lat: 1.23457, lng: 2 },
  ],
])("%j is %j", (point, tidied) => {
  expect(tidy(point)).toEqual(tidied);
});

test.each([
  [1, 0, "north"],
  [1, 1.5, "north-east"],
  [0, 1, "east"],
  [-1, 0, "south"],
  [0, -1, "west"],
  [1, -1.5, "north-west"],
])("%d up and %d right is %s", (lat, lng, name) => {
  const to = { lat: ZURICH.lat + lat / 100, lng: ZURICH.lng + lng / 100 };
  expect(direction(ZURICH, to)).toBe(name);
});
