/** Small hooks: the time, the address, what stays the same. */

import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { type Route, routeOf } from "./route.js";

/** The time in milliseconds, anew at each interval. */
export function useNow(interval: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), interval);
    return () => clearInterval(timer);
  }, [interval]);
  return now;
}

function onHash(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

/** The view that the address says. */
export function useRoute(): Route {
  const hash = useSyncExternalStore(onHash, () => location.hash);
  return useMemo(() => routeOf(hash), [hash]);
}

/** Gives the focus to what stays, before what has it goes. */
export function focusOn(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus();
}

/** `false` until something has been so for a while: for what would only flash. */
export function useLasting(is: boolean, ms: number): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!is) {
      setLasting(false);
      return undefined;
    }
    const timer = setTimeout(() => setLasting(true), ms);
    return () => clearTimeout(timer);
  }, [is, ms]);
  return is && lasting;
}

/** Has the browser ask before the page is left, while something would be lost with it. */
export function useLeaving(isLost: boolean): void {
  useEffect(() => {
    if (!isLost) return undefined;
    const ask = (event: Event): void => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [isLost]);
}
