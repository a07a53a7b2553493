/** The canvas beneath everything: land, borders, graticule. */

import { memo, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { View } from "./mercator.js";
import { detailFor, loadOutlines, type Outlines } from "./outlines.js";
import { type Colours, coloursOf, paint } from "./paint.js";

export const Ground = memo(function Ground({ view }: { readonly view: View }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const outlines = useOutlines(view);
  const [colours, setColours] = useState<Colours | null>(null);
  useEffect(() => {
    const read = () => canvas.current !== null && setColours(coloursOf(canvas.current));
    read();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", read);
    return () => scheme.removeEventListener("change", read);
  }, []);
  useLayoutEffect(() => {
    if (canvas.current === null || colours === null || view.width === 0) return;
    paint(canvas.current, view, colours, outlines);
  }, [view, colours, outlines]);
  return <canvas ref={canvas} className="map-ground" />;
});

/** Those that fit the zoom, or what was there before until they have come. */
function useOutlines(view: View): Outlines | null {
  const [outlines, setOutlines] = useState<Outlines | null>(null);
  const detail = detailFor(view.zoom);
  const isSeen = view.width > 0;
  useEffect(() => {
    if (!isSeen) return;
    let isWanted = true;
    const load = (): void => {
      loadOutlines(detail).then(
        (loaded) => isWanted && setOutlines(loaded),
        // Without them the graticule is all there is; they are asked for when a network comes.
        () => {},
      );
    };
    load();
    addEventListener("online", load);
    return () => {
      isWanted = false;
      removeEventListener("online", load);
    };
  }, [detail, isSeen]);
  return outlines;
}
