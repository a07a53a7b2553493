/** Callbacks and options that may be written inline, without anything beginning anew. */

import { useInsertionEffect, useRef } from "react";

/**
 * What the last render that was shown said. To be read in events and effects, not while rendering:
 * a render may be thrown away.
 */
export function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  // Before all layout and passive effects, so that these see it; and silent on a server.
  useInsertionEffect(() => {
    latest.current = value;
  });
  return latest;
}
