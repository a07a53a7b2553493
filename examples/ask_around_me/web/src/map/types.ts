/** What the map is given, and what it says. */

import type { HeatCell, Kind, Point } from "../types.js";

export interface Marker {
  readonly id: string;
  readonly at: Point;
  readonly kind: Kind;
  readonly label: string;
  /** Stands out, and is never put together with others. */
  readonly active: boolean;
  readonly fresh: boolean;
}

export interface Tiles {
  /** With `{z}`, `{x}` and `{y}`. */
  readonly url: string;
  readonly attribution: string;
}

export interface AreaMapProps {
  readonly center: Point;
  readonly zoom: number;
  /** Called when the map has come to rest. */
  readonly onMove: (center: Point, zoom: number) => void;
  /** Metres of the circle around the middle; 0: none. */
  readonly radius: number;
  readonly markers: readonly Marker[];
  readonly heat: readonly HeatCell[];
  /** The place that is chosen. */
  readonly pick: Point | null;
  /** Called with the place that is clicked; undefined: none can be chosen. */
  readonly onPick: ((point: Point) => void) | undefined;
  readonly onMarker: (id: string) => void;
  readonly tiles: Tiles | null;
  readonly label: string;
}
