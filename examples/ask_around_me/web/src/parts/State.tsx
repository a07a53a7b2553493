/** How an operation goes, in words and as a line that fills. */

import type { Operation } from "ringback";
import { useConnection, useOperation } from "../ringback.js";

const MESSAGES: Readonly<Record<string, string>> = {
  checking: "Checking",
  publishing: "Publishing",
};

/** The states an asking goes through, for the line. */
const STEPS = { sending: 0.08, queued: 0.3, running: 0.55, publishing: 0.85, done: 1 } as const;

export function OperationState<R>({ operation }: { operation: Operation<R> | null }) {
  const { status, progress } = useOperation(operation);
  const connection = useConnection().status;
  const message = progress?.message ?? null;
  const isAway = connection === "waiting" || connection === "offline";
  let [text, fraction]: [string, number] = [
    isAway ? "Waits for the network" : "Sending",
    STEPS.sending,
  ];
  if (status === "queued") [text, fraction] = ["Accepted, in the queue", STEPS.queued];
  else if (status === "running") {
    text = message === null ? "Being worked on" : (MESSAGES[message] ?? message);
    fraction = progress?.fraction ?? (message === "publishing" ? STEPS.publishing : STEPS.running);
  } else if (status === "succeeded") [text, fraction] = ["Done", STEPS.done];
  else if (status === "failed" || status === "cancelled") return null;
  return <Line text={text} fraction={fraction} />;
}

/** A line that fills, and what it is about. */
export function Line({ text, fraction }: { text: string; fraction: number }) {
  return (
    <div className="state">
      <span className="state-text">{text}</span>
      <span className="line" aria-hidden="true">
        <span className="line-fill" style={{ inlineSize: `${Math.round(fraction * 100)}%` }} />
      </span>
    </div>
  );
}
