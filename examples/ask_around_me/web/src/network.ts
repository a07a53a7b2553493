/**
 * The page's network, with a switch: cut, it ends what is open and lets nothing new begin, as when
 * a cable is pulled. For the demo; everything the page sends goes through here.
 */

import { Store } from "./state/store.js";

/** What a browser rejects a request with when there is no network. */
const gone = (): TypeError => new TypeError("Failed to fetch: the network is cut");

/** Statuses whose answers have no body; to make one with a body throws (Fetch §2.2.6). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

export class Network {
  readonly isCut = new Store(false);
  readonly #requests = new Set<AbortController>();
  readonly #sockets = new Set<() => void>();

  /** In place of the global `fetch`. */
  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    if (this.isCut.get()) throw gone();
    const controller = new AbortController();
    this.#requests.add(controller);
    const signals = [controller.signal, ...(init?.signal ? [init.signal] : [])];
    try {
      const response = await fetch(input, { ...init, signal: AbortSignal.any(signals) });
      return this.#watched(response, controller);
    } catch (error) {
      this.#requests.delete(controller);
      throw error;
    }
  };

  /** In place of the global `WebSocket`. */
  readonly WebSocket: typeof WebSocket = this.#socketClass();

  cut(): void {
    this.isCut.set(true);
    for (const request of [...this.#requests]) request.abort(gone());
    this.#requests.clear();
    for (const kill of [...this.#sockets]) kill();
    this.#sockets.clear();
  }

  mend(): void {
    this.isCut.set(false);
    // As a browser says it when the cable is back.
    window.dispatchEvent(new Event("online"));
  }

  /** The answer; while its body is read, it can be cut. */
  #watched(response: Response, controller: AbortController): Response {
    if (response.body === null || BODILESS.has(response.status)) {
      this.#requests.delete(controller);
      return response;
    }
    const forget = (): boolean => this.#requests.delete(controller);
    const through = new TransformStream<Uint8Array, Uint8Array>({ flush: () => void forget() });
    const { status, statusText, headers } = response;
    const watched = new Response(response.body.pipeThrough(through), {
      status,
      statusText,
      headers,
    });
    Object.defineProperty(watched, "url", { value: response.url });
    return watched;
  }

  #socketClass(): typeof WebSocket {
    const isCut = this.isCut.get;
    const sockets = this.#sockets;
    return class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        let dead = false;
        // First of all listeners: what comes after the cut reaches none of the others.
        const silence = (event: Event): void => {
          if (dead && event.isTrusted) event.stopImmediatePropagation();
        };
        for (const name of ["open", "message", "error", "close"]) {
          this.addEventListener(name, silence);
        }
        const kill = (): void => {
          dead = true;
          super.close();
          this.dispatchEvent(new Event("error"));
          this.dispatchEvent(new CloseEvent("close", { code: 1006, wasClean: false }));
        };
        sockets.add(kill);
        this.addEventListener("close", () => sockets.delete(kill));
        if (isCut()) queueMicrotask(kill);
      }
    };
  }
}
