/** A plain stand-in for the map: a field one can click. */

import type { HeatCell, Point } from "../types.js";

export interface Marker {
  readonly id: string;
  readonly at: Point;
  readonly kind: "stars" | "place";
  readonly label: string;
  readonly active: boolean;
  readonly fresh: boolean;
}

export interface AreaMapProps {
  readonly center: Point;
  readonly zoom: number;
  readonly onMove: (center: Point, zoom: number) => void;
  readonly radius: number;
  readonly markers: readonly Marker[];
  readonly heat: readonly HeatCell[];
  readonly pick: Point | null;
  readonly onPick: ((point: Point) => void) | undefined;
  readonly onMarker: (id: string) => void;
  readonly tiles: { readonly url: string; readonly attribution: string } | null;
  readonly label: string;
}

/** Degrees of latitude over the height of the field. */
const SPAN = 0.3;

export function AreaMap({ center, markers, onMarker, onPick, label }: AreaMapProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: it only stands in
    <div
      className="plain-map"
      role="application"
      aria-label={label}
      onClick={(event) => {
        if (event.target !== event.currentTarget) return;
        const box = event.currentTarget.getBoundingClientRect();
        const scale = SPAN / box.height;
        onPick?.({
          lat: center.lat - (event.clientY - box.top - box.height / 2) * scale,
          lng: center.lng + (event.clientX - box.left - box.width / 2) * scale,
        });
      }}
    >
      {markers.map(({ id, at, label: text }) => (
        <button
          key={id}
          type="button"
          aria-label={text}
          onClick={() => onMarker(id)}
          style={{
            top: `${50 - ((at.lat - center.lat) / SPAN) * 100}%`,
            left: `${50 + ((at.lng - center.lng) / SPAN) * 100}%`,
          }}
        />
      ))}
    </div>
  );
}
