/** Tiles of OpenStreetMap, where there is a network: a picture below, which may fail to come. */

import { useEffect, useState, useSyncExternalStore } from "react";
import { project, type Tile, tilesOf, type View, worldSize } from "./mercator.js";
import type { Tiles } from "./types.js";

/** Failures in a row, none loaded, after which no more are asked for. */
const ENOUGH = 6;
/** Milliseconds after which it is tried again. */
const AGAIN = 60_000;

function listen(onChange: () => void): () => void {
  addEventListener("online", onChange);
  addEventListener("offline", onChange);
  return () => {
    removeEventListener("online", onChange);
    removeEventListener("offline", onChange);
  };
}

const isOnline = (): boolean => navigator.onLine;

interface TileLayerProps {
  readonly view: View;
  readonly tiles: Tiles;
  readonly onShown: (isShown: boolean) => void;
}

export function TileLayer({ view, tiles, onShown }: TileLayerProps) {
  const online = useSyncExternalStore(listen, isOnline, () => false);
  const [shown, setShown] = useState<ReadonlySet<string>>(new Set());
  const [failed, setFailed] = useState<ReadonlySet<string>>(new Set());
  const isGivenUp = failed.size >= ENOUGH && shown.size === 0;
  useEffect(() => {
    if (failed.size === 0) return;
    const forget = () => setFailed(new Set());
    addEventListener("online", forget);
    const timer = setTimeout(forget, AGAIN);
    return () => {
      removeEventListener("online", forget);
      clearTimeout(timer);
    };
  }, [failed]);

  const wanted = view.width === 0 ? [] : tilesOf(view);
  const keys = new Set(wanted.map(keyOf));
  const isCovered = wanted.length > 0 && wanted.every((tile) => shown.has(keyOf(tile)));
  useEffect(() => onShown(isCovered), [onShown, isCovered]);
  // Until the new ones are there, those of the zoom before stay beneath them.
  const kept = isCovered ? [] : [...shown].filter((key) => !keys.has(key)).map(tileOf);
  const seen = [...kept.filter((tile) => isNear(tile, view)), ...wanted];
  const drop = (key: string) => (before: ReadonlySet<string>) => {
    const after = new Set(before);
    return after.delete(key) ? after : before;
  };
  return (
    <div className="map-tiles" aria-hidden="true">
      {seen
        .filter((tile) => {
          const key = keyOf(tile);
          return shown.has(key) || (online && !isGivenUp && !failed.has(key));
        })
        .map((tile) => {
          const key = keyOf(tile);
          return (
            <TileImage
              key={key}
              tile={tile}
              view={view}
              url={tiles.url}
              isShown={shown.has(key)}
              onLoad={() => setShown((before) => new Set(before).add(key))}
              onFail={() => setFailed((before) => new Set(before).add(key))}
              onGone={() => setShown(drop(key))}
            />
          );
        })}
    </div>
  );
}

interface TileImageProps {
  readonly tile: Tile;
  readonly view: View;
  readonly url: string;
  readonly isShown: boolean;
  readonly onLoad: () => void;
  readonly onFail: () => void;
  readonly onGone: () => void;
}

function TileImage({ tile, view, url, isShown, onLoad, onFail, onGone }: TileImageProps) {
  const { left, top, side } = boxOf(tile, view);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when it goes
  useEffect(() => onGone, []);
  return (
    <img
      alt=""
      draggable={false}
      data-shown={isShown}
      src={url
        .replace("{z}", String(tile.z))
        .replace("{x}", String(tile.x))
        .replace("{y}", String(tile.y))}
      // Whole pixels, each tile up to where the next begins: no seams.
      style={{ transform: `translate(${left}px, ${top}px)`, inlineSize: side.x, blockSize: side.y }}
      onLoad={onLoad}
      onError={onFail}
    />
  );
}

function boxOf(tile: Tile, view: View) {
  const size = worldSize(view.zoom);
  const middle = project(view.center);
  const count = 2 ** tile.z;
  const x = (column: number) => Math.round(view.width / 2 + (column / count - middle.x) * size);
  const y = (row: number) => Math.round(view.height / 2 + (row / count - middle.y) * size);
  const left = x(tile.column);
  const top = y(tile.y);
  return { left, top, side: { x: x(tile.column + 1) - left, y: y(tile.y + 1) - top } };
}

function isNear(tile: Tile, view: View): boolean {
  const { left, top, side } = boxOf(tile, view);
  return left < view.width && top < view.height && left + side.x > 0 && top + side.y > 0;
}

function keyOf({ z, column, y }: Tile): string {
  return `${z}/${column}/${y}`;
}

function tileOf(key: string): Tile {
  const [z = 0, column = 0, y = 0] = key.split("/").map(Number);
  const count = 2 ** z;
  return { z, column, y, x: ((column % count) + count) % count };
}
