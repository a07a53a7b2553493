/** The page came, and the server behind it does not answer. */

import { useEffect } from "react";
import { Icon } from "../parts/icons.js";

/** Milliseconds until it is tried again by itself. */
const AGAIN = 5_000;

export function Unreachable({ why, onAgain }: { why: string; onAgain: () => void }) {
  useEffect(() => {
    const timer = setInterval(onAgain, AGAIN);
    window.addEventListener("online", onAgain);
    return () => {
      clearInterval(timer);
      window.removeEventListener("online", onAgain);
    };
  }, [onAgain]);
  return (
    <main className="unreachable">
      <div className="empty" role="alert">
        <h1>Ask Around Me cannot be reached</h1>
        <p>{why} It is tried again by itself.</p>
        <button type="button" onClick={onAgain}>
          <Icon name="retry" />
          Try now
        </button>
      </div>
    </main>
  );
}
