/** Time: the test's own, which goes on as it does, and the client's, which can be made to hurry. */

import { vi } from "vitest";

// Before anybody makes time hurry.
const { setTimeout: later, setInterval: every, clearInterval: end } = globalThis;

/** Milliseconds between two steps of a time that hurries. */
const STEP = 10;
/**
 * Milliseconds in which something has to hold: where the client's time hurries and the machine is
 * busy, a server seems slow to it, and it needs several attempts.
 */
const LONG = 60_000;

/** Real milliseconds. */
export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => later(resolve, milliseconds));
}

/** Have the time of everything but `wait` go so many times as fast; returns what ends that. */
export function hurry(times: number): () => void {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"],
  });
  const stepping = every(() => vi.advanceTimersByTime(STEP * times), STEP);
  return () => {
    end(stepping);
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
