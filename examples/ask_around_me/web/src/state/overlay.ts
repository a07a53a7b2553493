/** What a view lays over the map, and how the map is told of it. */

import { createContext, useContext, useEffect } from "react";
import type { HeatCell, Point } from "../types.js";

export interface Overlay {
  readonly heat: readonly HeatCell[];
  /** The place that is being chosen. */
  readonly pick: Point | null;
  /** Called with a place that was clicked; undefined: none is chosen now. */
  readonly onPick: ((point: Point) => void) | undefined;
  /** What the map shows in place of where one is; null: that. */
  readonly focus: Point | null;
  /** The question that is looked at, alone on the map; null: all. */
  readonly only: string | null;
}

export const BARE: Overlay = { heat: [], pick: null, onPick: undefined, focus: null, only: null };

const Context = createContext<(overlay: Overlay) => void>(() => {});
export const OverlayProvider = Context.Provider;

/** Lay this over the map as long as the component is there. `overlay` is best memoized. */
export function useOverlay(overlay: Overlay): void {
  const lay = useContext(Context);
  useEffect(() => lay(overlay), [lay, overlay]);
  useEffect(() => () => lay(BARE), [lay]);
}
