/** How far things are: rings around a place, with their distances and the compass. */

import { useMemo } from "react";
import type { Point } from "../types.js";
import { labelTurn, length, onRing, ringsFor } from "./grid.js";
import { metresPerPixel, toScreen, type View } from "./mercator.js";
import type { Marker } from "./types.js";

const ROSE = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"] as const;
/** Pixels of a ring below which the compass has no room. */
const ROOM = 90;
/** Pixels of a ring below which it is a dot that says nothing. */
const LEAST = 16;
/** Pixels that a ring's label stands within it, clear of the compass. */
const LIFT = 13;

interface RingsProps {
  readonly view: View;
  readonly around: Point;
  /** Metres of the outermost ring; 0: as many as there is room for. */
  readonly radius: number;
  /** How the map lies when it rests: labels keep clear of markers, and do not jump as it moves. */
  readonly rest: View;
  readonly markers: readonly Marker[];
}

export function Rings({ view, around, radius, rest, markers }: RingsProps) {
  const turns = useMemo(() => {
    const field = { x: rest.width, y: rest.height };
    const spots = markers.map(({ at }) => {
      const { x, y } = toScreen(rest, at);
      return { x: x - field.x / 2, y: y - field.y / 2 };
    });
    const each = metresPerPixel(rest.center.lat, rest.zoom);
    const rings = radius > 0 ? ringsFor(rest, radius) : [];
    return new Map(
      rings.map((metres) => [metres, labelTurn(metres / each - LIFT, spots, field)] as const),
    );
  }, [rest, markers, radius]);
  const { x, y } = toScreen(view, around);
  const each = metresPerPixel(around.lat, view.zoom);
  const outer = radius / each;
  const isCircled = outer >= LEAST;
  const rings = radius > 0 && !isCircled ? [] : ringsFor(view, radius);
  if (Math.hypot(x - view.width / 2, y - view.height / 2) > 4 * view.width) return null;
  return (
    <svg className="map-rings" width={view.width} height={view.height} aria-hidden="true">
      {isCircled && (
        <path
          className="map-beyond"
          fillRule="evenodd"
          d={`M0 0H${view.width}V${view.height}H0Z${circle(x, y, outer)}`}
        />
      )}
      {rings.map((metres) => {
        const label = onRing(metres / each - LIFT, turns.get(metres) ?? 0);
        return (
          <g key={metres} className={metres === radius ? "map-reach" : "map-ring"}>
            <circle cx={x} cy={y} r={metres / each} />
            <text x={x + label.x} y={y + label.y}>
              {length(metres)}
            </text>
          </g>
        );
      })}
      {outer > ROOM &&
        ROSE.map((name, index) => {
          const turn = (index * Math.PI) / 4;
          const [sin, cos] = [Math.sin(turn), -Math.cos(turn)];
          const inner = index % 2 === 0 ? 10 : 6;
          return (
            <g key={name} className={index % 2 === 0 ? "map-rose main" : "map-rose"}>
              <line
                x1={x + sin * (outer - inner)}
                y1={y + cos * (outer - inner)}
                x2={x + sin * outer}
                y2={y + cos * outer}
              />
              {index % 2 === 0 && (
                <text x={x + sin * (outer + 13)} y={y + cos * (outer + 13) + 4}>
                  {name}
                </text>
              )}
            </g>
          );
        })}
      <path className="map-middle" d={`M${x - 7} ${y}h14M${x} ${y - 7}v14`} />
    </svg>
  );
}

function circle(x: number, y: number, r: number): string {
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
}
