/** Requests: with the token, and with the server's problems as errors. */

import { Backoff, pause } from "./backoff.js";
import { asError, closed, problemOf, RingbackError } from "./errors.js";
import type { Tokens } from "./tokens.js";
import type { Options } from "./types.js";

/** Milliseconds until something of the answer has come, and then until more has. */
const PATIENCE = 30_000;

/** What a request is made of, beyond its path. */
export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly signal?: AbortSignal | undefined;
  /** In place of the client's own: an operation's. */
  readonly token?: string | undefined;
  /** Milliseconds that nothing may come. */
  readonly patience?: number;
  /** Called when the request is sent. */
  readonly sent?: () => void;
}

/** An answer of JSON. */
export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly data: T;
}

/** All requests of one client. */
export class Http {
  /** Where the application is mounted; ends with a slash. */
  readonly url: string;
  readonly tokens: Tokens;
  readonly #options: Options;
  /** What has to be there before anything is sent. */
  readonly #ready: Promise<unknown> | undefined;
  readonly #closing = new AbortController();

  constructor(url: string, tokens: Tokens, options: Options, ready?: Promise<unknown>) {
    this.url = url;
    this.tokens = tokens;
    this.#options = options;
    this.#ready = ready;
  }

  /** Ask no more: what is being asked rejects. */
  close(): void {
    this.#closing.abort(closed());
  }

  /** Ask, and read all of the answer. Rejects with a `RingbackError`, or as the signal says. */
  async request<T = unknown>(path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const stop = new AbortController();
    const halt = (): void => stop.abort();
    const ends = [options.signal, this.#closing.signal];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const alive = (): void => {
      clearTimeout(timer);
      timer = setTimeout(halt, options.patience ?? PATIENCE);
    };
    try {
      const response = await new Promise<Response>((resolve, reject) => {
        // Before there is a token nothing is sent that would end with it.
        stop.signal.onabort = reject;
        for (const end of ends) {
          end?.addEventListener("abort", halt, stop);
          if (end?.aborted) halt();
        }
        this.open(path, { ...options, signal: stop.signal, sent: alive }).then(resolve, reject);
      });
      const { status, headers, body } = response;
      const reader = body?.getReader();
      const decoder = new TextDecoder();
      let text = "";
      for (let piece = await reader?.read(); piece?.value; piece = await reader?.read()) {
        alive();
        text += decoder.decode(piece.value, { stream: true });
      }
      // What a proxy has cut off to nothing is no answer.
      const empty = status === 304 || options.method === "HEAD";
      return { status, headers, data: empty ? (null as T) : JSON.parse(text) };
    } catch (error) {
      for (const end of ends) end?.throwIfAborted();
      // What `getToken` throws before is the page's own.
      throw timer === undefined ? error : asError(error);
    } finally {
      clearTimeout(timer);
      halt(); // which ends the listening, too
    }
  }

  /** Ask until there is an answer, or it fails for good, or the signal says to stop. */
  async persist<T = unknown>(path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const ends = [options.signal, this.#closing.signal];
    for (const backoff = new Backoff(); ; ) {
      try {
        return await this.request<T>(path, options);
      } catch (error) {
        if (!passes(error) || ends.some((end) => end?.aborted)) throw error;
        await pause((error.retryAfter || backoff.next()) * 1000, ...ends);
      }
    }
  }

  /** Ask, and give the answer once it has begun, if it is none of an error. */
  async open(path: string, options: RequestOptions): Promise<Response> {
    const used = options.token ?? (await this.tokens.get());
    let response = await this.#send(path, options, used);
    if (response.status === 401 && !options.token && (await this.tokens.renew(used))) {
      response = await this.#send(path, options, await this.tokens.get());
    }
    if (response.ok || response.status === 304) return response;
    const text = await response.text().catch(() => "");
    throw problemOf(response, text);
  }

  async #send(path: string, options: RequestOptions, token: string | undefined): Promise<Response> {
    const { method = "GET", json, signal } = options;
    const headers: Record<string, string> = { ...options.headers };
    if (token) headers["Authorization"] = `Bearer ${token}`;
    const body = json === undefined ? options.body : JSON.stringify(json);
    if (json !== undefined) headers["Content-Type"] = "application/json";
    await this.#ready;
    options.sent?.();
    const send = this.#options.fetch ?? fetch;
    return send(this.url + path, {
      method,
      headers,
      cache: "no-store",
      ...(signal && { signal }),
      ...(body !== undefined && { body }),
    });
  }
}

/** Whether it may pass: no network, or a server that is not there or has too much to do. */
export function passes(error: unknown): error is RingbackError {
  return error instanceof RingbackError && [0, 429, 502, 503, 504].includes(error.status);
}
