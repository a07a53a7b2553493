/** Pointers, wheel and double click: what they make of the view. */

import { type RefObject, useEffect, useRef } from "react";
import { clamp, panBy, type Spot, type View, zoomAt } from "./mercator.js";

/** Pixels that a pointer may tremble and still click. */
const TREMBLE = 5;
/** Zooms for a pixel of the wheel; a pinch on a touch pad comes as a finer wheel with Ctrl. */
const WHEEL = 0.0025;
const PINCH = 0.012;
/** Zooms that one event of a wheel makes at most. */
const MOST = 0.6;
/** Pixels of a line, for wheels that count lines. */
const LINE = 16;
/** Milliseconds after which what is left of a throw's speed is 1/e of it. */
const FRICTION = 220;
/** Pixels in a millisecond: slower than this a throw has ended. */
const REST = 0.02;
/** Pixels in a millisecond: a throw is no faster, and goes no further than FRICTION of it. */
const FASTEST = 3;
/** Milliseconds: a pointer that has rested so long throws nothing. */
const HELD = 60;

export interface Camera {
  readonly view: RefObject<View>;
  readonly look: (view: View) => void;
  /** The view has come to rest. */
  readonly rest: () => void;
  /** Zoom by so much, around a pixel. */
  readonly glide: (by: number, at: Spot) => void;
  readonly stop: () => void;
}

export const isCalm = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Listens on `root`. `onClick` is told of clicks that hit nothing that lies on the map. */
export function useGestures(
  root: RefObject<HTMLElement | null>,
  camera: Camera,
  onClick: (at: Spot) => void,
): void {
  const click = useRef(onClick);
  useEffect(() => {
    click.current = onClick;
  });
  useEffect(() => {
    const element = root.current;
    if (element === null) return;
    return listen(element, camera, (at) => click.current(at));
  }, [root, camera]);
}

function listen(element: HTMLElement, camera: Camera, onClick: (at: Spot) => void): () => void {
  const down = new Map<number, Spot>();
  let start: Spot = { x: 0, y: 0 };
  let isDragging = false;
  let speed: Speed = { x: 0, y: 0, at: 0 };
  let frame = 0;
  const ends = new AbortController();
  const { signal } = ends;
  const spotOf = (event: MouseEvent): Spot => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const isOwn = (event: Event) =>
    event.target instanceof Element && event.target.closest("[data-chrome]") === null;
  const isGround = (event: Event) =>
    isOwn(event) && (event.target as Element).closest("button, a") === null;

  const halt = (): void => {
    cancelAnimationFrame(frame);
    camera.stop();
  };
  const coast = (): void => {
    let before = performance.now();
    const step = (now: number): void => {
      const passed = now - before;
      before = now;
      camera.look(panBy(camera.view.current, -speed.x * passed, -speed.y * passed));
      const left = Math.exp(-passed / FRICTION);
      speed = { ...speed, x: speed.x * left, y: speed.y * left };
      if (Math.hypot(speed.x, speed.y) > REST) frame = requestAnimationFrame(step);
      else camera.rest();
    };
    frame = requestAnimationFrame(step);
  };

  element.addEventListener(
    "pointerdown",
    (event) => {
      if (!isOwn(event) || (event.pointerType === "mouse" && event.button !== 0)) return;
      halt();
      down.set(event.pointerId, spotOf(event));
      if (down.size > 1) isDragging = true;
      else {
        start = spotOf(event);
        isDragging = false;
        speed = { x: 0, y: 0, at: event.timeStamp };
      }
    },
    { signal },
  );
  element.addEventListener(
    "pointermove",
    (event) => {
      const from = down.get(event.pointerId);
      if (from === undefined) return;
      const to = spotOf(event);
      if (!isDragging) {
        if (Math.hypot(to.x - start.x, to.y - start.y) < TREMBLE) return;
        isDragging = true;
      }
      if (!element.hasPointerCapture(event.pointerId)) element.setPointerCapture(event.pointerId);
      const before = [...down.values()];
      down.set(event.pointerId, to);
      const after = [...down.values()];
      const dx = to.x - from.x;
      const dy = to.y - from.y;
      // Two fingers throw nothing, and neither does the one that stays.
      speed =
        after.length > 1
          ? { x: 0, y: 0, at: event.timeStamp }
          : faster(speed, dx, dy, event.timeStamp);
      camera.look(
        after.length < 2
          ? panBy(camera.view.current, -dx, -dy)
          : pinch(camera.view.current, before, after),
      );
    },
    { signal },
  );
  const up = (event: PointerEvent): void => {
    if (!down.delete(event.pointerId) || down.size > 0) return;
    const isFast = event.timeStamp - speed.at < HELD && event.type === "pointerup";
    const isThrown = isDragging && isFast && !isCalm();
    // Also without a drag: a press stops what was gliding.
    if (isThrown && Math.hypot(speed.x, speed.y) > REST) coast();
    else camera.rest();
  };
  element.addEventListener("pointerup", up, { signal });
  element.addEventListener("pointercancel", up, { signal });
  // Comes after pointerup: a drag that ends on a marker does not press it.
  element.addEventListener(
    "click",
    (event) => {
      if (isDragging && event.detail > 0) {
        isDragging = false;
        event.preventDefault();
        event.stopPropagation();
      } else if (isGround(event)) onClick(spotOf(event));
    },
    { signal, capture: true },
  );
  element.addEventListener("dragstart", (event) => event.preventDefault(), { signal });
  element.addEventListener(
    "dblclick",
    (event) => {
      if (!isGround(event)) return;
      camera.glide(event.shiftKey ? -1 : 1, spotOf(event));
    },
    { signal },
  );
  let resting: ReturnType<typeof setTimeout> | undefined;
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      halt();
      const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
      const by = -event.deltaY * pixels * (event.ctrlKey ? PINCH : WHEEL);
      const { zoom } = camera.view.current;
      const to = zoom + Math.max(-MOST, Math.min(MOST, by));
      camera.look(zoomAt(camera.view.current, to, spotOf(event)));
      clearTimeout(resting);
      resting = setTimeout(camera.rest, 180);
    },
    { signal, passive: false },
  );
  return () => {
    ends.abort();
    clearTimeout(resting);
    cancelAnimationFrame(frame);
  };
}

interface Speed extends Spot {
  readonly at: number;
}

/** Pixels in a millisecond, of late. */
function faster(speed: Speed, dx: number, dy: number, at: number): Speed {
  const passed = Math.max(1, at - speed.at);
  const axis = (before: number, by: number) =>
    clamp(0.6 * before + (0.4 * by) / passed, -FASTEST, FASTEST);
  return { x: axis(speed.x, dx), y: axis(speed.y, dy), at };
}

function pinch(view: View, before: readonly Spot[], after: readonly Spot[]): View {
  const [a, b] = before;
  const [c, d] = after;
  if (a === undefined || b === undefined || c === undefined || d === undefined) return view;
  const from = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  const to = { x: (c.x + d.x) / 2, y: (c.y + d.y) / 2 };
  const was = Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
  const is = Math.max(1, Math.hypot(c.x - d.x, c.y - d.y));
  const moved = panBy(view, from.x - to.x, from.y - to.y);
  return zoomAt(moved, view.zoom + Math.log2(is / was), to);
}
