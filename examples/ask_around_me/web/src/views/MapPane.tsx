/** The map with what the view lays over it. */

import { useCallback, useEffect, useMemo } from "react";
import { tidy } from "../geo.js";
import { AreaMap } from "../map/AreaMap.js";
import type { Marker } from "../map/types.js";
import { useServices } from "../services.js";
import type { Near } from "../state/board.js";
import type { Overlay } from "../state/overlay.js";
import type { Place } from "../state/place.js";
import { hashOf } from "../state/route.js";
import type { Point } from "../types.js";

/** Where a heat map's cells are told apart. */
const CLOSE = 13;

export interface Camera {
  readonly center: Point;
  readonly zoom: number;
}

interface MapPaneProps {
  readonly place: Place;
  readonly onPlace: (place: Place) => void;
  /** What the map shows while one question is looked at; null: the place. */
  readonly camera: Camera | null;
  readonly onCamera: (camera: Camera | null) => void;
  readonly overlay: Overlay;
  readonly near: readonly Near[];
  readonly fresh: ReadonlySet<string>;
}

export function MapPane(props: MapPaneProps) {
  const { place, onPlace, camera, onCamera, overlay, near, fresh } = props;
  const { config } = useServices();
  const { focus, only, heat, pick, onPick } = overlay;
  useEffect(
    () => onCamera(focus === null ? null : { center: focus, zoom: CLOSE }),
    [focus, onCamera],
  );

  const onMove = useCallback(
    (center: Point, zoom: number) => {
      if (camera !== null) {
        onCamera({ center, zoom });
        return;
      }
      const at = tidy(center);
      const stays = at.lat === place.at.lat && at.lng === place.at.lng;
      onPlace(stays ? { ...place, zoom } : { at, zoom, source: "map" });
    },
    [camera, onCamera, onPlace, place],
  );
  const onMarker = useCallback((id: string) => {
    location.hash = hashOf({ view: "question", id });
  }, []);
  const markers = useMemo(
    (): readonly Marker[] =>
      near
        .filter(({ question }) => only === null || question.id === only)
        .map(({ question: { id, at, kind, text } }) => ({
          ...{ id, at, kind, label: text },
          active: id === only,
          fresh: fresh.has(id),
        })),
    [near, only, fresh],
  );
  const pickTidy = useMemo(
    () => (onPick === undefined ? undefined : (point: Point) => onPick(tidy(point))),
    [onPick],
  );
  return (
    <section className="map" aria-label="Map">
      <AreaMap
        center={camera?.center ?? place.at}
        zoom={camera?.zoom ?? place.zoom}
        onMove={onMove}
        radius={only === null ? config.radius : 0}
        markers={markers}
        heat={heat}
        pick={pick}
        onPick={pickTidy}
        onMarker={onMarker}
        tiles={config.tiles}
        label={only === null ? "Questions around here" : "The place of this question"}
      />
    </section>
  );
}
