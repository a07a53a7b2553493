// Requests, each written into its card's wire log with how long the answer took.

import { link } from "./link.js";
import { whenFree } from "./slots.js";

/** There was no answer: the server is away, or the connection broke. */
export class NoAnswer extends Error {}

/** The server said no: an RFC 9457 problem. */
export class Refused extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/**
 * One request, recorded in `wire`. Resolves to `{status, headers, body, took}` for 2xx and 304;
 * throws `Refused`, `NoAnswer`, or the AbortError of `signal`. `held`: it may take long, and has a
 * place for that.
 */
export function request(wire, { held = false, ...options }) {
  const send = () => exchange(wire, options);
  return held ? send() : whenFree(send);
}

async function exchange(
  wire,
  { method = "GET", path, headers = {}, json, data, file, note, signal },
) {
  signal?.throwIfAborted();
  const sent = { ...headers };
  if (json !== undefined) sent["Content-Type"] = "application/json";
  const entry = wire.request({ method, path, headers: sent, json, size: data?.size, file, note });
  const begun = performance.now();
  let answer;
  let text;
  try {
    answer = await fetch(path, {
      method,
      headers: sent,
      body: json === undefined ? data : JSON.stringify(json),
      signal,
    });
    text = await answer.text();
  } catch (error) {
    const aborted = error.name === "AbortError";
    wire.answered(entry, {
      status: aborted ? "stopped" : "no answer",
      took: performance.now() - begun,
    });
    if (aborted) throw error;
    link.failed();
    throw new NoAnswer("The server does not answer.", { cause: error });
  }
  const took = performance.now() - begun;
  wire.answered(entry, {
    status: answer.status,
    took,
    replayed: answer.headers.has("Idempotency-Replayed"),
  });
  const type = answer.headers.get("Content-Type") ?? "";
  const body = text && type.includes("json") ? JSON.parse(text) : null;
  if (!answer.ok && answer.status !== 304) {
    throw new Refused(answer.status, body ?? {}, seconds(answer.headers));
  }
  return { status: answer.status, headers: answer.headers, body, took };
}

/**
 * The same until there is an answer: waits for the server to come back, and for as long as it asks
 * when it is busy. Only for what may be sent twice: reads, and what has an Idempotency-Key.
 */
export async function insist(wire, options, onWait = () => {}) {
  for (;;) {
    await link.up();
    try {
      return await request(wire, options);
    } catch (error) {
      if (error instanceof NoAnswer) {
        onWait("The server does not answer; trying again.");
        continue;
      }
      if (!(error instanceof Refused) || (error.status !== 429 && error.status !== 503))
        throw error;
      onWait(error.message);
      await pause((error.retryAfter ?? 1) * 1000, options.signal);
    }
  }
}

/** Seconds of a Retry-After, or null. */
export function seconds(headers) {
  const text = headers.get("Retry-After");
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

/** Waits; ends at once, with the AbortError, when the signal says so. */
export function pause(milliseconds, signal) {
  return new Promise((done, fail) => {
    if (signal?.aborted) {
      fail(signal.reason);
      return;
    }
    const stop = () => {
      clearTimeout(timer);
      fail(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      done();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** The header that opens one operation. */
export function bearer(token) {
  return { Authorization: `Bearer ${token}` };
}
