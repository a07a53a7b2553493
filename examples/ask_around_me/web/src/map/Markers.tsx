/** Questions on the map: buttons, nearest first, put together where they would lie on each other. */

import { memo, useMemo } from "react";
import { metres } from "../geo.js";
import type { Point } from "../types.js";
import { type Cluster, clusters } from "./cluster.js";
import { MAX_ZOOM, project, type Spot, toScreen, type View, worldSize } from "./mercator.js";
import type { Marker } from "./types.js";

/** Zooms between which the same markers are together: nothing swaps at each turn of the wheel. */
const STEP = 0.5;
/** Pixels around those that are at one place, where no zoom is left to part them. */
const FAN = 46;

interface MarkersProps {
  readonly view: View;
  readonly markers: readonly Marker[];
  /** Where the map rests: those nearest to it come first. */
  readonly from: Point;
  readonly onMarker: (id: string) => void;
  readonly onCluster: (cluster: Cluster) => void;
  readonly onHidden: (point: Point) => void;
}

export function Markers({ view, markers, from, onMarker, onCluster, onHidden }: MarkersProps) {
  const sorted = useMemo(
    () =>
      markers
        .map((marker) => ({ marker, away: metres(from, marker.at) }))
        .sort((a, b) => a.away - b.away)
        .map(({ marker }) => marker),
    [markers, from],
  );
  const step = Math.floor(view.zoom / STEP) * STEP;
  const shown = useMemo(() => fanned(clusters(sorted, step), step), [sorted, step]);
  // Moved as one: panning touches no marker.
  const origin = toScreen(view, from);
  return (
    <ul
      className="map-markers"
      aria-label="Questions on the map, nearest first"
      hidden={shown.length === 0}
      style={{ transform: `translate(${origin.x}px, ${origin.y}px)` }}
    >
      <Placed {...{ shown, from, onMarker, onCluster, onHidden }} zoom={view.zoom} />
    </ul>
  );
}

interface Shown extends Cluster {
  readonly offset: Spot;
}

function fanned(all: readonly Cluster[], zoom: number): readonly Shown[] {
  const none = { x: 0, y: 0 };
  return all.flatMap((cluster): readonly Shown[] => {
    const count = cluster.all.length;
    if (count === 1 || zoom < MAX_ZOOM) return [{ ...cluster, offset: none }];
    // A spiral whose turns are as far apart as its stops.
    return cluster.all.map((first, index) => {
      const turn = Math.sqrt(index) * 3.5;
      const r = FAN * Math.sqrt(index);
      return { first, all: [first], offset: { x: Math.sin(turn) * r, y: -Math.cos(turn) * r } };
    });
  });
}

interface PlacedProps extends Omit<MarkersProps, "view" | "markers"> {
  readonly shown: readonly Shown[];
  readonly zoom: number;
}

const Placed = memo(function Placed(props: PlacedProps) {
  const { shown, zoom, from, onMarker, onCluster, onHidden } = props;
  const size = worldSize(zoom);
  const middle = project(from);
  return shown.map((cluster) => {
    const { first, offset } = cluster;
    const at = project(first.at);
    const x = Math.round((at.x - Math.round(at.x - middle.x) - middle.x) * size + offset.x);
    const y = Math.round((at.y - middle.y) * size + offset.y);
    return (
      <li key={first.id} style={{ transform: `translate(${x}px, ${y}px)` }}>
        <Mark {...{ cluster, onMarker, onCluster, onHidden }} />
      </li>
    );
  });
});

interface MarkProps extends Pick<MarkersProps, "onMarker" | "onCluster" | "onHidden"> {
  readonly cluster: Cluster;
}

/** While one zooms, only where it is changes: hundreds of them are left as they are. */
const Mark = memo(function Mark({ cluster, onMarker, onCluster, onHidden }: MarkProps) {
  const { first, all } = cluster;
  const isOne = all.length === 1;
  return (
    <button
      type="button"
      className="map-marker"
      data-kind={isOne ? first.kind : "cluster"}
      data-active={first.active}
      data-fresh={all.some(({ fresh }) => fresh)}
      data-many={all.length > 9}
      aria-current={first.active ? "true" : undefined}
      aria-label={isOne ? nameOf(first) : `${all.length} questions near here: zoom in`}
      onClick={() => (isOne ? onMarker(first.id) : onCluster(cluster))}
      // By keys alone: what is pressed was seen.
      onFocus={(event) => event.currentTarget.matches(":focus-visible") && onHidden(first.at)}
    >
      {isOne ? <Sign kind={first.kind} /> : all.length}
      <span className="map-tip-text" aria-hidden="true">
        {isOne ? first.label : `${all.length} questions`}
      </span>
    </button>
  );
});

function nameOf({ label, kind, fresh }: Marker): string {
  return `${fresh ? "New: " : ""}${label} (${kind === "stars" ? "rated with stars" : "asks for a place"})`;
}

/** Told apart by what they show and by their shape, not by their colour. */
function Sign({ kind }: { readonly kind: Marker["kind"] }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {kind === "stars" ? (
        <path d="M12 3.5l2.6 5.6 6.1.8-4.5 4.2 1.1 6L12 17.2l-5.3 2.9 1.1-6-4.5-4.2 6.1-.8z" />
      ) : (
        <path
          fillRule="evenodd"
          d="M12 22c4-5 7.2-8.2 7.2-12.2a7.2 7.2 0 0 0-14.4 0C4.8 13.8 8 17 12 22zm0-9.4a2.9 2.9 0 1 1 0-5.8 2.9 2.9 0 0 1 0 5.8z"
        />
      )}
    </svg>
  );
}
