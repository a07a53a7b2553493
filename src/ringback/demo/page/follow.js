// The three ways to follow an operation. Each ends in the same calls: `on.message` for an event of
// the log, `on.answer` for an answer to a poll; so a card can change its way at any moment.

import { NoAnswer, Refused, bearer, pause, request, seconds } from "./http.js";
import { link } from "./link.js";
import { place } from "./slots.js";

const LONG_POLL = 20; // seconds the server may keep us waiting
const POLL_AGAIN = 1; // seconds between polls where the server says nothing of them
const EVENTS = ["snapshot", "status", "progress", "part", "gap"];

export const WAYS = { sse: "SSE", "long-poll": "Long polling", poll: "Polling" };

/**
 * Follow until the operation has ended or `signal` says stop. `operation()` gives the card's
 * `{id, token, links, view, ended}` as they stand; `on` has `message(kind, data, position)`,
 * `answer(body)`, `gone(error)` and `way(text)`.
 */
export async function follow(way, operation, wire, on, signal) {
  try {
    while (!operation().ended) {
      await link.up();
      signal.throwIfAborted();
      await turn(way, operation, wire, on, signal);
    }
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refused)) throw error;
    on.gone(error);
  }
}

async function turn(way, operation, wire, on, signal) {
  const release = way === "poll" ? null : await place();
  try {
    signal.throwIfAborted();
    if (release === null) {
      on.way(way === "poll" ? "polling" : "polling, until a connection is free");
      await poll(operation, wire, on, signal);
    } else if (way === "sse") {
      const refused = await stream(operation, wire, on, signal);
      // A page is not told why; a plain read is, and waits as long as it is asked to.
      if (refused) await poll(operation, wire, on, signal);
    } else {
      on.way("long polling");
      await longPoll(operation, wire, on, signal);
    }
  } catch (error) {
    if (error instanceof NoAnswer) return; // `link` knows, and says when to go on
    if (!(error instanceof Refused) || (error.status !== 429 && error.status !== 503)) throw error;
    await pause((error.retryAfter ?? POLL_AGAIN) * 1000, signal);
  } finally {
    release?.();
  }
}

/** Where the operation is to be read, with only those parts that are new. */
function pathOf(operation) {
  const { links, view } = operation();
  return view.position === null
    ? links.self
    : `${links.self}?after=${encodeURIComponent(view.position)}`;
}

async function poll(operation, wire, on, signal) {
  const { token, view } = operation();
  const headers = bearer(token);
  if (view.position !== null) headers["If-None-Match"] = `"${view.version}"`;
  const answer = await request(wire, { path: pathOf(operation), headers, signal });
  if (answer.body) on.answer(answer.body);
  if (!operation().ended) await pause((seconds(answer.headers) ?? POLL_AGAIN) * 1000, signal);
}

async function longPoll(operation, wire, on, signal) {
  const { token, view } = operation();
  const headers = bearer(token);
  if (view.position !== null) {
    headers["If-None-Match"] = `"${view.version}"`;
    headers.Prefer = `wait=${LONG_POLL}`;
  }
  const answer = await request(wire, { path: pathOf(operation), headers, signal, held: true });
  if (answer.body) on.answer(answer.body);
}

/**
 * An EventSource. Settles when there is nothing more to come from it; to true when it was refused,
 * or the browser gave it up.
 */
function stream(operation, wire, on, signal) {
  const { links, token, view } = operation();
  const query = new URLSearchParams();
  if (view.position !== null) query.set("after", view.position);
  query.set("token", token); // an EventSource cannot send a header
  const path = `${links.events}?${query}`;
  return new Promise((done) => {
    const begun = performance.now();
    let entry = wire.request({
      method: "GET",
      path,
      headers: { Accept: "text/event-stream" },
      stream: true,
    });
    let opened = false;
    const source = new EventSource(path);
    const end = (status) => {
      source.close();
      signal.removeEventListener("abort", stop);
      wire.answered(entry, {
        status: opened ? 200 : status,
        took: performance.now() - begun,
        closed: true,
      });
      done(status === "refused");
    };
    const stop = () => end("stopped");
    signal.addEventListener("abort", stop);
    source.addEventListener("open", () => {
      opened = true;
      on.way("SSE");
      wire.answered(entry, { status: 200, took: performance.now() - begun });
    });
    source.addEventListener("error", () => {
      link.suspect();
      if (source.readyState === EventSource.CLOSED) {
        end("refused");
        return;
      }
      on.way("SSE, reconnecting");
      if (opened) {
        const { position } = operation().view;
        wire.answered(entry, { status: 200, took: performance.now() - begun, closed: true });
        entry = wire.request({
          method: "GET",
          path,
          headers: { Accept: "text/event-stream", ...(position && { "Last-Event-ID": position }) },
          stream: true,
          note: "the browser reconnects by itself",
        });
        opened = false;
      }
    });
    for (const kind of EVENTS) {
      source.addEventListener(kind, (event) => {
        const data = JSON.parse(event.data);
        wire.event(kind, event.lastEventId, data, event.data.length);
        on.message(kind, data, kind === "gap" ? null : event.lastEventId || null);
        if (operation().ended) end(200);
      });
    }
  });
}
