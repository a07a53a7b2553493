// What is known of an operation, and what each message does to it. Pure: no requests, no elements.
//
// The same message may come twice, from two channels or after a reconnect. A message is known by
// its place in the operation's log, and a part by its index, so nothing is lost and nothing doubled.

export const TERMINAL = new Set(["succeeded", "failed", "cancelled"]);

/** Before anything is known. */
export function unknown() {
  return {
    status: null,
    version: -1,
    position: null,
    attempt: 0,
    progress: null,
    parts: [],
    partCount: 0,
  };
}

/** Whether it has ended for good. */
export function ended(view) {
  return TERMINAL.has(view.status);
}

/** The place of a position (`epoch-offset`) in its log. */
function offset(position) {
  return Number(position.slice(position.lastIndexOf("-") + 1));
}

function epoch(position) {
  return position.slice(0, position.lastIndexOf("-"));
}

/** Whether the log position is one that the view has seen already. */
function seen(view, position) {
  return (
    view.position !== null &&
    position !== null &&
    epoch(position) === epoch(view.position) &&
    offset(position) <= offset(view.position)
  );
}

/** The view after a message of kind `snapshot`, `status`, `progress` or `part` at a position. */
export function reduce(view, kind, data, position) {
  if (seen(view, position)) return view;
  const next = { ...view, position: position ?? view.position };
  switch (kind) {
    case "snapshot":
      return state({ ...next, parts: [] }, data, data.parts);
    case "status":
      return state(next, data, []);
    case "progress":
      return { ...next, progress: { fraction: data.fraction, message: data.message } };
    case "part": {
      const parts = next.parts.slice();
      parts[data.index] = data;
      return { ...next, parts, partCount: Math.max(next.partCount, data.index + 1) };
    }
    default:
      return next;
  }
}

/** The view after an answer of `GET …/operations/{id}?after=…`: the state, and the parts since. */
export function answered(view, body) {
  if (seen(view, body.position)) return view;
  return state({ ...view, position: body.position }, body, body.parts);
}

function state(view, data, newParts = []) {
  const parts = view.parts.slice();
  for (const part of newParts) parts[part.index] = part;
  parts.length = Math.min(parts.length, data.part_count); // a fresh attempt starts them anew
  return {
    ...view,
    status: data.status,
    version: data.version,
    attempt: data.attempt,
    progress: data.progress,
    parts,
    partCount: data.part_count,
    result: data.result,
    resultSize: data.result_size,
    error: data.error,
    deadLetter: data.dead_letter === true,
    cancelRequested: data.cancel_requested === true,
    readyAt: data.ready_at,
    createdAt: data.created_at,
    finishedAt: data.finished_at,
  };
}
