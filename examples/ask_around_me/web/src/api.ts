/** The server's synchronous routes: reads, the session, the demo's switches. */

import type { Traffic } from "ringback";
import { isRecord } from "./state/kept.js";
import type { Around, Config, Looked, Point, Session } from "./types.js";

/** An answer that is none of success: its problem (RFC 9457), or status 0 where none came. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;

  constructor(status: number, detail: string, cause?: unknown) {
    super(detail, { cause });
    this.status = status;
  }
}

interface Call {
  readonly method?: string;
  readonly json?: unknown;
  readonly token?: string | undefined;
  readonly signal?: AbortSignal;
}

export class Api {
  readonly #fetch: typeof fetch;
  readonly #onTraffic: (traffic: Traffic) => void;

  constructor(fetcher: typeof fetch, onTraffic: (traffic: Traffic) => void) {
    this.#fetch = fetcher;
    this.#onTraffic = onTraffic;
  }

  config(): Promise<Config> {
    return this.#call("config");
  }

  around(centre: Point, radius: number, call: Call): Promise<Around> {
    const query = new URLSearchParams({
      lat: String(centre.lat),
      lng: String(centre.lng),
      radius: String(radius),
    });
    return this.#call(`questions?${query}`, call);
  }

  look(id: string, call: Call): Promise<Looked> {
    return this.#call(`questions/${encodeURIComponent(id)}`, call);
  }

  signIn(name: string): Promise<Session> {
    return this.#call("session", { method: "POST", json: { name } });
  }

  refresh(): Promise<Session> {
    return this.#call("session/refresh", { method: "POST" });
  }

  signOut(): Promise<void> {
    return this.#call("session", { method: "DELETE" });
  }

  killWorker(): Promise<{ pid: number; lease: number }> {
    return this.#call("demo/kill-worker", { method: "POST" });
  }

  moveNeighbours(place: Point): Promise<void> {
    return this.#call("demo/place", { method: "PUT", json: place });
  }

  async #call<T>(path: string, { method = "GET", json, token, signal }: Call = {}): Promise<T> {
    const headers = new Headers();
    if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
    if (json !== undefined) headers.set("Content-Type", "application/json");
    const body = json === undefined ? null : JSON.stringify(json);
    const summary = `${method} api/${path.split("?")[0]}`;
    this.#tell("out", summary, body ?? "");
    let response: Response;
    let text: string;
    try {
      const init: RequestInit = { method, headers, body };
      if (signal !== undefined) init.signal = signal;
      response = await this.#fetch(`/api/${path}`, init);
      text = await response.text();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, "The server cannot be reached.", error);
    }
    this.#tell("in", summary, text, response.status);
    const data: unknown = parsed(text);
    if (response.ok) return data as T;
    throw new ApiError(response.status, detailOf(data) ?? `The server said ${response.status}.`);
  }

  #tell(direction: "in" | "out", summary: string, data: string, status?: number): void {
    const bytes = new Blob([data]).size;
    // A session's answer has the token in it: that is nobody's to look at.
    const shown = summary.includes("api/session") ? undefined : data.slice(0, SHOWN);
    this.#onTraffic({
      at: Date.now(),
      transport: "http",
      direction,
      summary,
      bytes,
      ...(status !== undefined && { status }),
      ...(shown && { data: shown }),
    });
  }
}

/** Characters of a body that are shown. */
const SHOWN = 2_000;

function parsed(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a problem says, for people: of its fields first, where it has some. */
function detailOf(problem: unknown): string | undefined {
  if (!isRecord(problem)) return undefined;
  const { errors, detail, title } = problem;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  if (isRecord(first) && typeof first["detail"] === "string") return first["detail"];
  return [detail, title].find((each) => typeof each === "string");
}
