/** The view as it moves: told from outside, by gestures, and smoothly by itself. */

import {
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { Point } from "../types.js";
import { type Camera, isCalm } from "./gestures.js";
import {
  nearestCopy,
  panBy,
  project,
  type Spot,
  tame,
  toScreen,
  unproject,
  type View,
  zoomAt,
} from "./mercator.js";

/** Milliseconds of a movement that is not by hand. */
const GLIDE = 260;
/** Degrees and zooms that are no movement: what is kept is rounded. */
const SAME = 2e-5;

const ease = (part: number): number => 1 - (1 - part) ** 3;

export interface Moves extends Camera {
  readonly pan: (dx: number, dy: number) => void;
}

/** The view, and what moves it. Outer changes of `center` and `zoom` are followed. */
export function useCamera(
  root: RefObject<HTMLElement | null>,
  center: Point,
  zoom: number,
  onMove: (center: Point, zoom: number) => void,
): readonly [View, Moves] {
  const [view, setView] = useState<View>(() => ({ center, zoom, width: 0, height: 0 }));
  const current = useRef(view);
  const told = useRef({ center, zoom });
  const frame = useRef(0);
  const report = useRef(onMove);
  useEffect(() => {
    report.current = onMove;
  });

  const look = useCallback((next: View) => {
    current.current = next;
    setView(next);
  }, []);
  const rest = useCallback(() => {
    const { center: at, zoom: to, width } = current.current;
    if (width === 0 || isSame(told.current, { center: at, zoom: to })) return;
    told.current = { center: at, zoom: to };
    report.current(at, to);
  }, []);
  /** Where a movement leads that has not ended: the next one goes on from there. */
  const goal = useRef<View | null>(null);
  const stop = useCallback(() => {
    cancelAnimationFrame(frame.current);
    goal.current = null;
  }, []);
  /** From part 0 to 1 of a movement; at once where no motion is wanted. */
  const run = useCallback(
    (at: (part: number) => View) => {
      stop();
      goal.current = at(1);
      if (isCalm()) {
        look(at(1));
        stop();
        rest();
        return;
      }
      const begin = performance.now();
      const step = (now: number): void => {
        const part = Math.min(1, Math.max(0, (now - begin) / GLIDE));
        look(at(ease(part)));
        if (part < 1) {
          frame.current = requestAnimationFrame(step);
          return;
        }
        goal.current = null;
        rest();
      };
      frame.current = requestAnimationFrame(step);
    },
    [look, rest, stop],
  );
  const moves = useMemo(
    (): Moves => ({
      ...{ view: current, look, rest, stop },
      glide: (by: number, at: Spot) => {
        const from = current.current;
        const to = (goal.current ?? from).zoom + by;
        run((part) => zoomAt(from, from.zoom + (to - from.zoom) * part, at));
      },
      pan: (dx: number, dy: number) => {
        const from = current.current;
        const to = panBy(goal.current ?? from, dx, dy);
        run((part) => between(from, to, part));
      },
    }),
    [look, rest, run, stop],
  );

  useLayoutEffect(() => {
    const element = root.current;
    if (element === null) return;
    const measure = (): void => {
      const { clientWidth: width, clientHeight: height } = element;
      if (width > 0 && height > 0) look(tame({ ...current.current, width, height }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [root, look]);

  const { lat, lng } = center;
  useEffect(() => {
    const to = { center: { lat, lng }, zoom };
    if (isSame(told.current, to)) return;
    told.current = to;
    const from = current.current;
    const end = tame({ ...from, ...to });
    const offset = toScreen(from, to.center);
    const isNear =
      Math.hypot(offset.x - from.width / 2, offset.y - from.height / 2) < 3 * from.width;
    if (isNear) run((part) => between(from, end, part));
    else {
      stop();
      look(end);
    }
  }, [lat, lng, zoom, run, look, stop]);
  useEffect(() => stop, [stop]);
  return [view, moves];
}

interface Looked {
  readonly center: Point;
  readonly zoom: number;
}

function isSame(a: Looked, b: Looked): boolean {
  const turned = Math.abs(a.center.lng - b.center.lng);
  return (
    Math.abs(a.center.lat - b.center.lat) < SAME &&
    Math.min(turned, 360 - turned) < SAME &&
    Math.abs(a.zoom - b.zoom) < SAME
  );
}

function between(from: View, to: View, part: number): View {
  if (part === 1) return { ...to, width: from.width, height: from.height };
  const a = project(from.center);
  const b = project(to.center);
  const x = a.x + (nearestCopy(b.x, a.x) - a.x) * part;
  const center = unproject({ x, y: a.y + (b.y - a.y) * part });
  return tame({ ...from, center, zoom: from.zoom + (to.zoom - from.zoom) * part });
}
