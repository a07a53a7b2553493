/** Time: the test's own, which goes on as it does, and the client's, which can be made to hurry. */

import { get } from "node:http";
import { vi } from "vitest";

// Before anybody makes time hurry.
const { setTimeout: later } = globalThis;

/** Milliseconds of a step of a time that hurries, at least. */
const STEP = 10;
/** Milliseconds in which something has to hold: far more than it takes on a busy machine. */
const LONG = 120_000;

/** Real milliseconds. */
export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => later(resolve, milliseconds));
}

/** A server has answered, or not: one that is killed says nothing at all. */
function answered(url: string): Promise<unknown> {
  return new Promise((resolve) => {
    get(`${url}healthz`, { agent: false }, (answer) => answer.resume().on("close", resolve)).on(
      "error",
      resolve,
    );
  });
}

/**
 * Have the time of everything but `wait` go so many times as fast; returns what ends that. It goes
 * no faster than the server at `url` answers: a machine that is busy would else seem to be a server
 * that is silent.
 */
export function hurry(times: number, url: string): () => void {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"],
  });
  let over = false;
  const step = async (): Promise<void> => {
    await Promise.all([wait(STEP), answered(url)]);
    if (over) return;
    vi.advanceTimersByTime(STEP * times);
    void step();
  };
  void step();
  return () => {
    over = true;
    vi.useRealTimers();
  };
}

/** Wait until something holds, in real time. */
export async function holds(what: () => unknown, said: () => string, limit = LONG): Promise<void> {
  const from = performance.now();
  while (!what()) {
    if (performance.now() - from > limit) throw new Error(`Not within ${limit} ms: ${said()}`);
    await wait(5);
  }
}

/** What comes of it, if it does so within so much real time. */
export function within<T>(work: Promise<T>, said: () => string, limit = LONG): Promise<T> {
  const late = wait(limit).then(() => {
    throw new Error(`Not within ${limit} ms: ${said()}`);
  });
  return Promise.race([work, late]);
}
