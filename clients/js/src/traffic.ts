/**
 * What goes over the wire, told: around `fetch` and `WebSocket`, so that nothing else knows of it.
 * Loaded where somebody asks for it.
 */

import { SseParser } from "./sse-parser.js";
import type { Options, Traffic } from "./types.js";

/** Characters of a text that are shown. */
const SHOWN = 2_000;
const STREAM = "text/event-stream";

/** A `fetch` and a `WebSocket` that tell; `url` is where the application is mounted. */
export function tap(options: Options, url: string): Pick<Options, "fetch" | "WebSocket"> {
  const send = options.fetch ?? ((input, init) => fetch(input, init));
  const Socket = options.WebSocket ?? globalThis.WebSocket;

  function say(
    transport: Traffic["transport"],
    direction: Traffic["direction"],
    summary: string,
    data = "",
    status?: number,
  ): void {
    options.onTraffic?.({
      at: Date.now(),
      transport,
      direction,
      summary,
      bytes: new Blob([data]).size,
      ...(data && { data: data.slice(0, SHOWN) }),
      ...(status && { status }),
    });
  }

  async function told(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    const path = String(input).replace(url, "");
    const summary = `${init.method ?? "GET"} ${path}`;
    const transport = transportOf(summary, new Headers(init.headers));
    say(transport, "out", summary, typeof init.body === "string" ? init.body : "");
    const answer = await send(input, init);
    const { status, statusText, headers, body } = answer;
    if (!body || !headers.get("Content-Type")?.startsWith(STREAM)) {
      const read = answer.status === 304 || !body ? Promise.resolve("") : answer.clone().text();
      read.then(
        (text) => say(transport, "in", summary, text, status),
        () => {}, // It was cut off, which its reader is told.
      );
      return answer;
    }
    say(transport, "in", summary, "", status);
    const [first, second] = body.tee();
    const parser = new SseParser(
      ({ event, data }) => {
        if (data === null) return;
        const { topic = "" } = JSON.parse(data) as { topic?: string };
        say(transport, "in", `${event} ${topic}`, data);
      },
      () => {},
    );
    void listen(second, (text) => parser.push(text));
    return new Response(first, { status, statusText, headers });
  }

  if (!Socket) return { fetch: told };

  class Tapped extends Socket {
    constructor(address: string | URL, protocols?: string | string[]) {
      super(address, protocols);
      say("websocket", "out", "open");
      this.addEventListener("message", ({ data }) => {
        say("websocket", "in", summaryOf(String(data)), String(data));
      });
      this.addEventListener("close", ({ code, reason }) => {
        say("websocket", "in", "close", reason, code);
      });
    }

    override send(data: string): void {
      super.send(data);
      // A token is nothing to be shown.
      const shown = data.replace(/("token":")[^"]*/, "$1…");
      say("websocket", "out", summaryOf(data), shown);
    }
  }
  return { fetch: told, WebSocket: Tapped };
}

/** Which transport a request belongs to, as far as it shows. */
function transportOf(summary: string, headers: Headers): Traffic["transport"] {
  if (headers.get("Accept") === STREAM) return "sse";
  if (headers.get("Prefer")) return "long-polling";
  return /^GET (topics\?|operations\/[^/]+$)/.test(summary) ? "polling" : "http";
}

function summaryOf(text: string): string {
  try {
    const frame = JSON.parse(text) as Record<string, string | undefined>;
    const { type, action, kind, topic, filter } = frame;
    return [type ?? action, kind, topic ?? filter].filter(Boolean).join(" ");
  } catch {
    return "?";
  }
}

async function listen(stream: ReadableStream<Uint8Array>, hear: (text: string) => void) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      hear(decoder.decode(piece.value, { stream: true }));
    }
  } catch {
    // It was cut off, which its reader is told.
  }
}
