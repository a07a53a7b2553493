/** Requests: with the token, and with the server's problems as errors. */

import { Backoff, pause } from "./backoff.js";
import { local, problemOf, RingbackError } from "./errors.js";
import type { Tokens } from "./tokens.js";
import type { Options } from "./types.js";

/** Milliseconds that a request may take until its answer begins. */
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
  /** Milliseconds until the answer has to begin. */
  readonly patience?: number;
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

  constructor(url: string, tokens: Tokens, options: Options, ready?: Promise<unknown>) {
    this.url = url;
    this.tokens = tokens;
    this.#options = options;
    this.#ready = ready;
  }

  /** Ask, and read all of the answer. Rejects with a `RingbackError`, or as the signal says. */
  async request<T = unknown>(path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const response = await this.open(path, options);
    try {
      const text = await response.text();
      const data = (text ? JSON.parse(text) : null) as T;
      return { status: response.status, headers: response.headers, data };
    } catch (error) {
      throw failure(error, options.signal);
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
    const late = new AbortController();
    const stop = (): void => late.abort();
    const timer = setTimeout(stop, options.patience ?? PATIENCE);
    // It goes on to stop a body that is still read.
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    try {
      const send = this.#options.fetch ?? fetch;
      return await send(this.url + path, {
        method,
        headers,
        signal: late.signal,
        cache: "no-store",
        ...(body !== undefined && { body }),
      });
    } catch (error) {
      throw failure(error, signal);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What a request that failed rejects with. */
export function failure(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  return error instanceof RingbackError ? error : local("network", "No answer came.", error);
}

/** Whether it may pass: no network, or a server that is not there or has too much to do. */
export function passes(error: unknown): error is RingbackError {
  return error instanceof RingbackError && [0, 429, 502, 503, 504].includes(error.status);
}

/** Try until it is done, or fails for good, or the signal says to stop. */
export async function persist<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const backoff = new Backoff(); ; ) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!passes(error)) throw error;
      await pause((error.retryAfter ?? backoff.next()) * 1000, signal);
    }
  }
}
