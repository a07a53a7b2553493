/** Where people answered: cells, the fuller the stronger, with their counts. */

import { type KeyboardEvent, memo, useId, useMemo, useState } from "react";
import { distance } from "../format.js";
import { direction, metres } from "../geo.js";
import type { HeatCell, Point } from "../types.js";
import { nearestCopy, project, type Spot, toScreen, type View, worldSize } from "./mercator.js";
import { SHADES, shadeOf } from "./shade.js";

/** Pixels: a cell that is wider has its count written in it. */
const ROOM = 30;
/** The zoom whose pixels the outlines are drawn in, before they are scaled. */
const DRAWN = 14;

interface HeatProps {
  readonly view: View;
  readonly cells: readonly HeatCell[];
  /** From where cells are said to lie. */
  readonly from: Point;
}

export function Heat({ view, cells, from }: HeatProps) {
  const [told, setTold] = useState<string | null>(null);
  const legend = useId();
  const first = cells[0];
  const fullest = useMemo(() => Math.max(0, ...cells.map(({ count }) => count)), [cells]);
  const anchor = useMemo(() => (first === undefined ? null : project(first.at)), [first]);
  if (anchor === null || view.width === 0) return null;
  const size = worldSize(view.zoom);
  const middle = project(view.center);
  const x = view.width / 2 + (nearestCopy(anchor.x, middle.x) - middle.x) * size;
  const y = view.height / 2 + (anchor.y - middle.y) * size;
  const cell = cells.find((one) => one.cell === told);
  const spot = cell === undefined ? null : toScreen(view, cell.at);
  return (
    <>
      <svg className="map-heat" width={view.width} height={view.height} aria-labelledby={legend}>
        <title id={legend}>Where people answered; arrows lead from cell to cell</title>
        <g transform={`translate(${x} ${y}) scale(${2 ** (view.zoom - DRAWN)})`}>
          <Cells cells={cells} fullest={fullest} from={from} anchor={anchor} onTold={setTold} />
          {/* Above its neighbours, which would cover half of its edge. */}
          {cell !== undefined && <path className="map-told" d={outlinePath(cell, anchor)} />}
        </g>
      </svg>
      <svg className="map-heat" width={view.width} height={view.height} aria-hidden="true">
        <Counts view={view} cells={cells} fullest={fullest} />
      </svg>
      {cell !== undefined && spot !== null && (
        <p
          className="map-tip"
          aria-hidden="true"
          style={{ transform: `translate(${spot.x}px, ${spot.y}px)` }}
        >
          <span>{answers(cell.count)}</span>
        </p>
      )}
    </>
  );
}

const answers = (count: number): string => (count === 1 ? "1 answer" : `${count} answers`);

interface CellsProps {
  readonly cells: readonly HeatCell[];
  readonly fullest: number;
  readonly from: Point;
  readonly anchor: Spot;
  readonly onTold: (cell: string | null) => void;
}

/** One stop for the tabulator; arrows go on to the next fuller or emptier. */
const Cells = memo(function Cells({ cells, fullest, from, anchor, onTold }: CellsProps) {
  const [chosen, setChosen] = useState(0);
  const stop = Math.min(chosen, cells.length - 1);
  const onKeyDown = (event: KeyboardEvent<SVGElement>, index: number): void => {
    const to = nextOf(event.key, index, cells.length - 1);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    setChosen(to);
    const all = event.currentTarget.parentElement?.querySelectorAll<SVGElement>("[data-cell]");
    all?.[to]?.focus();
  };
  return cells.map((one, index) => {
    const away = metres(from, one.at);
    return (
      // biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: what a cell says is all it has
      <path
        key={one.cell}
        className="map-cell"
        data-cell={one.cell}
        data-shade={shadeOf(one.count, fullest)}
        d={outlinePath(one, anchor)}
        role="img"
        aria-label={`${answers(one.count)}, ${distance(away)} ${direction(from, one.at)}`}
        tabIndex={index === stop ? 0 : -1}
        onKeyDown={(event) => onKeyDown(event, index)}
        onFocus={() => {
          setChosen(index);
          onTold(one.cell);
        }}
        onBlur={() => onTold(null)}
        onPointerEnter={() => onTold(one.cell)}
        onPointerLeave={() => onTold(null)}
      />
    );
  });
});

function nextOf(key: string, index: number, last: number): number | undefined {
  if (key === "ArrowRight" || key === "ArrowDown") return Math.min(last, index + 1);
  if (key === "ArrowLeft" || key === "ArrowUp") return Math.max(0, index - 1);
  if (key === "Home") return 0;
  return key === "End" ? last : undefined;
}

function outlinePath({ outline }: HeatCell, anchor: Spot): string {
  const size = worldSize(DRAWN);
  const corners = outline.map(([lat, lng]) => {
    const { x, y } = project({ lat, lng });
    const right = (nearestCopy(x, anchor.x) - anchor.x) * size;
    return `${right.toFixed(1)} ${((y - anchor.y) * size).toFixed(1)}`;
  });
  return `M${corners.join("L")}Z`;
}

function Counts({ view, cells, fullest }: Omit<HeatProps, "from"> & { readonly fullest: number }) {
  return cells.flatMap((one) => {
    const { x, y } = toScreen(view, one.at);
    const corner = one.outline[0];
    if (corner === undefined || x < 0 || y < 0 || x > view.width || y > view.height) return [];
    const edge = toScreen(view, { lat: corner[0], lng: corner[1] });
    if (2 * Math.hypot(edge.x - x, edge.y - y) < ROOM) return [];
    return [
      <text
        key={one.cell}
        className="map-count"
        data-shade={shadeOf(one.count, fullest)}
        x={x}
        y={y + 4}
      >
        {one.count}
      </text>,
    ];
  });
}

export function Legend({ cells }: { readonly cells: readonly HeatCell[] }) {
  const fullest = Math.max(0, ...cells.map(({ count }) => count));
  if (fullest === 0) return null;
  const shades = fullest === 1 ? [SHADES] : Array.from({ length: SHADES }, (_, at) => at + 1);
  return (
    <div className="map-legend" data-chrome>
      <span>Answers{fullest > 1 && " 1"}</span>
      {shades.map((shade) => (
        <i key={shade} data-shade={shade} />
      ))}
      <span>{fullest}</span>
    </div>
  );
}
