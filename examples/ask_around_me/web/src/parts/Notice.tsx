/** What screen readers are told, politely and in passing. */

import { useEffect } from "react";
import { useServices, useStore } from "../services.js";

/** Milliseconds after which a notice is taken away, so that the same may be said again. */
const STAYS = 4_000;

export function Announcer() {
  const { notice } = useServices();
  const text = useStore(notice);
  useEffect(() => {
    if (text === "") return undefined;
    const timer = setTimeout(() => notice.set(""), STAYS);
    return () => clearTimeout(timer);
  }, [text, notice]);
  return (
    <div role="status" className="hidden">
      {text}
    </div>
  );
}
