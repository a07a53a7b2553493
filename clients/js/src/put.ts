/** All bytes of a file in one request that does not go to the server, but where it says. */

import type { Traffic } from "./types.js";

/** Milliseconds without a sign of its going on, after which it is given up. */
const PATIENCE = 120_000;

/** Whom it tells. */
export interface Heard {
  sent(bytes: number): void;
  traffic: ((traffic: Traffic) => void) | undefined;
}

/**
 * Put a file there; the status of the answer, 0 without one. The address is signed for the file's
 * size, and needs no token. A page's own `fetch` has no part in it: what that adds is for its server.
 */
export async function put(
  url: string,
  file: Blob,
  heard: Heard,
  ...signals: (AbortSignal | undefined)[]
): Promise<number> {
  const { host, pathname } = new URL(url); // the rest is as good as a token
  const summary = `PUT ${host}${pathname}`;
  const say = (direction: Traffic["direction"], bytes: number, status?: number): void =>
    heard.traffic?.({
      ...{ at: Date.now(), transport: "http", direction, summary, bytes },
      ...(status && { status }),
    });
  const stop = new AbortController();
  const halt = (): void => stop.abort();
  for (const each of signals) {
    each?.addEventListener("abort", halt);
    if (each?.aborted) halt();
  }
  say("out", file.size);
  const send = globalThis.XMLHttpRequest ? byRequest : byFetch;
  const status = await send(url, file, stop, heard.sent);
  for (const each of signals) each?.removeEventListener("abort", halt);
  say("in", 0, status);
  return status;
}

/** Tells how far it is. */
function byRequest(
  url: string,
  file: Blob,
  stop: AbortController,
  sent: Heard["sent"],
): Promise<number> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const alive = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), PATIENCE);
    };
    request.upload.onprogress = ({ loaded }) => {
      alive();
      sent(loaded);
    };
    request.onloadend = () => {
      clearTimeout(timer);
      resolve(request.status);
    };
    request.open("PUT", url);
    if (stop.signal.aborted) return resolve(0);
    stop.signal.addEventListener("abort", () => request.abort());
    alive();
    request.send(file);
  });
}

/** Where there is nothing else, as in Node. */
async function byFetch(url: string, file: Blob, { signal }: AbortController): Promise<number> {
  try {
    const { status, body } = await fetch(url, { method: "PUT", body: file, signal });
    body?.cancel().catch(() => {}); // what was answered counts, however the rest of it ends
    return status;
  } catch {
    return 0;
  }
}
