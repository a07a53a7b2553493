/** Where one looks: the middle of what is shown, and what is known of it. */

import { tidy } from "../geo.js";
import type { Config, Point } from "../types.js";
import { isRecord, keep, recall } from "./kept.js";
import { pointOf } from "./outbox.js";

export interface Place {
  readonly at: Point;
  readonly zoom: number;
  /** `home`: where the server says; `here`: where the device says one is; `map`: moved there. */
  readonly source: "home" | "here" | "map";
}

/** Shows a circle of 8 km: of 310 pixels on a phone, of twice that where there is room. */
export function firstZoom(): number {
  return matchMedia("(min-width: 56rem) and (min-height: 44rem)").matches ? 12 : 11;
}

const NAME = "place";

export function firstPlace(config: Config): Place {
  const { lat, lng } = config.home;
  return recall(NAME, restorePlace) ?? { at: { lat, lng }, zoom: firstZoom(), source: "home" };
}

export function keepPlace(place: Place): void {
  keep(NAME, place);
}

export function restorePlace(value: unknown): Place | undefined {
  if (!isRecord(value)) return undefined;
  const at = pointOf(value["at"]);
  const { zoom, source } = value;
  if (at === undefined || typeof zoom !== "number") return undefined;
  if (source !== "home" && source !== "here" && source !== "map") return undefined;
  return { at: tidy(at), zoom, source };
}

/** How a list of what is around a place is called. */
export function placeName(place: Place, config: Config): string {
  if (place.source === "home") return config.home.name;
  return place.source === "here" ? "you" : "here";
}

/** Ask the device where it is: only ever on a click. Rejects with what to say. */
export function locate(): Promise<Point> {
  return new Promise((resolve, reject) => {
    if (!("geolocation" in navigator)) {
      reject(new Error("This browser cannot tell where you are. Move the map instead."));
      return;
    }
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve(tidy({ lat: coords.latitude, lng: coords.longitude })),
      (error) =>
        reject(
          new Error(
            error.code === error.PERMISSION_DENIED
              ? "You have not allowed this page to know where you are. Move the map instead."
              : "Your device does not know where it is right now. Move the map instead.",
          ),
        ),
      { enableHighAccuracy: false, timeout: 10_000, maximumAge: 60_000 },
    );
  });
}
