/** Markers that would lie on each other, put together: a pure function. */

import { nearestCopy, project, worldSize } from "./mercator.js";
import type { Marker } from "./types.js";

/** Pixels between two of what is shown: their targets do not overlap (WCAG 2.2, 2.5.8). */
export const CROWDED = 44;

export interface Cluster {
  /** The first of them: all stand at its place. */
  readonly first: Marker;
  readonly all: readonly Marker[];
}

/**
 * Each marker is in exactly one cluster, and no two clusters are nearer than `CROWDED` pixels,
 * those of active markers excepted. Earlier markers are preferred as the first of one.
 */
export function clusters(markers: readonly Marker[], zoom: number): readonly Cluster[] {
  const size = worldSize(zoom);
  const columns = Math.max(1, Math.floor(size / CROWDED));
  const boxes = new Map<string, { x: number; y: number; all: Marker[] }[]>();
  const alone: Cluster[] = [];
  const found: { readonly first: Marker; readonly all: Marker[] }[] = [];
  for (const marker of markers) {
    if (marker.active) {
      alone.push({ first: marker, all: [marker] });
      continue;
    }
    const { x, y } = project(marker.at);
    const column = Math.floor((x - Math.floor(x)) * columns);
    const row = Math.floor(y * columns);
    const near = around(column, row, columns)
      .flatMap((box) => boxes.get(box) ?? [])
      .map((one) => ({ one, away: Math.hypot(nearestCopy(one.x, x) - x, one.y - y) * size }))
      .filter(({ away }) => away < CROWDED)
      .sort((a, b) => a.away - b.away)[0];
    if (near !== undefined) {
      near.one.all.push(marker);
      continue;
    }
    const all = [marker];
    const box = `${column} ${row}`;
    boxes.set(box, [...(boxes.get(box) ?? []), { x, y, all }]);
    found.push({ first: marker, all });
  }
  return [...found, ...alone];
}

/** A box and those beside it; the last column's neighbour is the first one. */
function around(column: number, row: number, columns: number): readonly string[] {
  const boxes = new Set<string>();
  // A box is at least CROWDED wide and high: nothing nearer lies beyond these nine.
  for (const dx of [-1, 0, 1]) {
    for (const dy of [-1, 0, 1]) boxes.add(`${(column + dx + columns) % columns} ${row + dy}`);
  }
  return [...boxes];
}
