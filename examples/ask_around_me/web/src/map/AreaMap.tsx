/** A map that works without any outside service, and shows tiles beneath where there are some. */

import { type KeyboardEvent, useCallback, useId, useMemo, useRef, useState } from "react";
import { distance } from "../format.js";
import { direction, metres } from "../geo.js";
import { Icon } from "../parts/icons.js";
import type { Point } from "../types.js";
import { useCamera } from "./camera.js";
import type { Cluster } from "./cluster.js";
import { Ground } from "./Ground.js";
import { useGestures } from "./gestures.js";
import { length, scaleBar } from "./grid.js";
import { Heat, Legend } from "./Heat.js";
import { Markers } from "./Markers.js";
import { leastZoom, MAX_ZOOM, type Spot, toPoint, toScreen, type View } from "./mercator.js";
import { Rings } from "./Rings.js";
import { TileLayer } from "./TileLayer.js";
import type { AreaMapProps, Tiles } from "./types.js";

/** The share of the field that an arrow key moves it by. */
const STRIDE = 0.2;
/** Zooms of a press on + or −, and on a cluster. */
const CLOSER = 1;
const INTO = 2;
/** Pixels at the edge where a marker with the focus is hard to see. */
const EDGE = 24;
/** Pixels of the scale bar at most. */
const SCALE = 110;

export function AreaMap(props: AreaMapProps) {
  const { center, zoom, onMove, radius, markers, heat, pick, onPick, onMarker, tiles, label } =
    props;
  const root = useRef<HTMLDivElement>(null);
  const [view, moves] = useCamera(root, center, zoom, onMove);
  const [isTiled, setTiled] = useState(false);
  const [said, setSaid] = useState("");
  const help = useId();
  const isPicking = onPick !== undefined;

  const choose = useCallback(
    (point: Point) => {
      onPick?.(point);
      const away = metres(center, point);
      const where = `${distance(away)} ${direction(center, point)} of the middle`;
      setSaid(`Place chosen: ${away < 1 ? "the middle of the map" : where}.`);
    },
    [onPick, center],
  );
  useGestures(root, moves, (at) => {
    if (isPicking) choose(toPoint(moves.view.current, at));
  });
  const onCluster = useCallback(
    ({ first }: Cluster) => {
      const { view: current, glide } = moves;
      glide(INTO, toScreen(current.current, first.at));
    },
    [moves],
  );
  const onHidden = useCallback(
    (point: Point) => {
      const current = moves.view.current;
      const { x, y } = toScreen(current, point);
      const isSeen = x > EDGE && y > EDGE && x < current.width - EDGE && y < current.height - EDGE;
      if (!isSeen) moves.pan(x - current.width / 2, y - current.height / 2);
    },
    [moves],
  );
  const closer = (by: number): void => {
    const { width, height } = moves.view.current;
    moves.glide(by, { x: width / 2, y: height / 2 });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isGround = event.target instanceof Element && event.target.matches(".map-surface");
    const way = WAYS[event.key];
    if (event.key === "+" || event.key === "=") closer(CLOSER);
    else if (event.key === "-") closer(-CLOSER);
    else if (isGround && way !== undefined) {
      moves.pan(way.x * STRIDE * view.width, way.y * STRIDE * view.height);
    } else if (isGround && isPicking && event.key === "Enter") choose(moves.view.current.center);
    else return;
    event.preventDefault();
  };
  const active = markers.find((marker) => marker.active);
  const around = radius > 0 ? view.center : active?.at;
  const { width, height } = view;
  const rest = useMemo(() => ({ center, zoom, width, height }), [center, zoom, width, height]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys of what lies in it come here
    <div
      ref={root}
      className="area-map"
      data-tiled={isTiled}
      data-picking={isPicking}
      onKeyDown={onKeyDown}
    >
      <Ground view={view} />
      {tiles !== null && <TileLayer view={view} tiles={tiles} onShown={setTiled} />}
      <div
        className="map-surface"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrows move it
        tabIndex={0}
        aria-label={label}
        aria-describedby={help}
      />
      <p id={help} className="hidden">
        Arrow keys move the map, plus and minus zoom.
        {isPicking && " Enter chooses its middle."}
      </p>
      {view.width > 0 && around !== undefined && (
        <Rings {...{ view, around, radius, rest, markers }} />
      )}
      <Heat view={view} cells={heat} from={active?.at ?? center} />
      {view.width > 0 && (
        <Markers {...{ view, markers, onMarker, onCluster, onHidden }} from={center} />
      )}
      {pick !== null && view.width > 0 && <Pick at={toScreen(view, pick)} />}
      <div className="map-zoom" data-chrome>
        <button
          type="button"
          aria-label="Zoom in"
          aria-disabled={view.zoom >= MAX_ZOOM}
          onClick={() => closer(CLOSER)}
        >
          <Icon name="plus" />
        </button>
        <button
          type="button"
          aria-label="Zoom out"
          aria-disabled={view.zoom <= leastZoom(view.height)}
          onClick={() => closer(-CLOSER)}
        >
          <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d="M5 12h14" />
          </svg>
        </button>
      </div>
      <Legend cells={heat} />
      {view.width > 0 && <Foot view={view} tiles={tiles} />}
      <p className="hidden" aria-live="polite">
        {said}
      </p>
    </div>
  );
}

const WAYS: Readonly<Record<string, Spot>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

function Pick({ at }: { readonly at: Spot }) {
  return (
    <svg
      className="map-pick"
      viewBox="0 0 24 32"
      aria-hidden="true"
      style={{ transform: `translate(${at.x}px, ${at.y}px)` }}
    >
      <path d="M12 31c6-8.5 10.5-13.5 10.5-19.5a10.5 10.5 0 0 0-21 0C1.5 17.5 6 22.5 12 31z" />
      <circle cx="12" cy="11.5" r="4" />
    </svg>
  );
}

function Foot({ view, tiles }: { readonly view: View; readonly tiles: Tiles | null }) {
  const scale = scaleBar(view, SCALE);
  return (
    <>
      <div className="map-scale" aria-hidden="true" style={{ inlineSize: scale.pixels }}>
        {length(scale.metres)}
      </div>
      <p className="map-credit" data-chrome>
        {tiles !== null && (
          <>
            <a href="https://www.openstreetmap.org/copyright" target="_blank" rel="noreferrer">
              {tiles.attribution}
            </a>
            {" · "}
          </>
        )}
        Natural Earth
      </p>
    </>
  );
}
