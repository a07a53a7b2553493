/** How the connection is: a chip in the header, and a banner while what is shown may be old. */

import { useEffect, useRef } from "react";
import type { Connection, TransportName } from "ringback";
import { secondsUntil } from "../format.js";
import { useConnection } from "../ringback.js";
import { useAnnounce } from "../services.js";
import { useLasting, useNow } from "../state/hooks.js";

export const TRANSPORT_NAMES: Readonly<Record<TransportName, string>> = {
  websocket: "WebSocket",
  sse: "SSE",
  "long-polling": "Long polling",
  polling: "Polling",
};

/** Milliseconds of trouble before anybody is told: most is over by then. */
const PATIENCE = 1_500;

function chip({ status, transport, retryAt }: Connection, now: number): [string, string] {
  const by = transport === null ? "" : TRANSPORT_NAMES[transport];
  switch (status) {
    case "connected":
      return ["Live", by];
    case "connecting":
      return ["Connecting", by];
    case "waiting": {
      const seconds = retryAt === null ? 0 : secondsUntil(retryAt, now);
      return ["Retrying", seconds > 0 ? `in ${seconds} s` : "now"];
    }
    case "offline":
      return ["Offline", ""];
    case "closed":
      return ["Disconnected", ""];
    case "idle":
      return ["Not connected", ""];
  }
}

export function ConnectionChip() {
  const connection = useConnection();
  const now = useNow(500);
  const [state, more] = chip(connection, now);
  return (
    <p className="chip" data-status={connection.status}>
      <span className="chip-dot" aria-hidden="true" />
      <span className="hidden">Connection: </span>
      <span className="chip-state">{state}</span> <span className="chip-more">{more}</span>
    </p>
  );
}

function isTroubled({ status, error }: Connection): boolean {
  return status === "waiting" || status === "offline" || (status === "closed" && error !== null);
}

/** What the banner says while there is trouble; null: all is well, or was a moment ago. */
function useTrouble(): "offline" | "reconnecting" | "closed" | null {
  const connection = useConnection();
  const { status, error } = connection;
  // While it tries again, it is not well yet.
  const was = useRef(false);
  if (isTroubled(connection)) was.current = true;
  else if (status !== "connecting") was.current = false;
  const lasting = useLasting(was.current, PATIENCE);
  if (!lasting) return null;
  if (status === "offline") return "offline";
  return status === "closed" && error !== null ? "closed" : "reconnecting";
}

export function ConnectionBanner() {
  const trouble = useTrouble();
  const { error } = useConnection();
  const announce = useAnnounce();
  const before = useRef(trouble);
  useEffect(() => {
    if (before.current === trouble) return;
    if (trouble === null) announce("Connected again.");
    else announce(trouble === "offline" ? "You are offline." : "The connection is lost.");
    before.current = trouble;
  }, [trouble, announce]);

  if (trouble === null) return null;
  return (
    <div className="banner" data-trouble={trouble}>
      <p>
        <strong>
          {trouble === "offline" && "You are offline."}
          {trouble === "reconnecting" && "The connection is lost."}
          {trouble === "closed" && "The server ended the connection."}
        </strong>{" "}
        {trouble === "closed"
          ? error?.message
          : "You can go on: what you ask is sent, and what you miss comes, as soon as it is back."}
      </p>
      <button
        type="button"
        className="quiet"
        // What a browser says when a network is back: the client tries at once.
        onClick={() => window.dispatchEvent(new Event("online"))}
      >
        Try now
      </button>
    </div>
  );
}
