/**
 * A bad proxy: speaks HTTP, and does with requests and answers what proxies do. Connections that
 * break are in `wire.ts`.
 */

import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import { createConnection, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Chance } from "./random.js";

/**
 * What is done with one request. `refuse`: 502, 503 or 504, and the server is not asked; `busy`: 503,
 * and to come again in a minute; `lose`: as `refuse`, after the server has done it; `twice`: it is asked twice; `truncate`: half of the answer,
 * then the end; `shorten`: the same where the end says that it is all; `stray`: another answer
 * behind it that nobody asked for; `stall`: half of the answer, then nothing.
 */
export type Fault =
  | "pass"
  | "refuse"
  | "busy"
  | "lose"
  | "twice"
  | "truncate"
  | "shorten"
  | "stray"
  | "stall";

/** What becomes of a WebSocket: it is refused, never answered, or silent after the greeting. */
export type Upgrades = "pass" | 400 | 403 | "hang" | "silent";

interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** Of one hop, and not passed on (RFC 9110 §7.6.1); the body is sent as it was put together. */
const HOP = ["connection", "keep-alive", "transfer-encoding", "content-length"];

/** In front of a server. */
export class Gateway {
  upgrades: Upgrades = "pass";
  /** Event streams are kept until their end. */
  buffers = false;
  /** Event streams are answered with 403, by a page of the proxy's own. */
  refusesStreams = false;
  /** Drawn for each request; `message` says which it is. */
  fault: (message: IncomingMessage) => Fault = () => "pass";
  /** So many requests had each of them. */
  readonly faults = new Map<Fault, number>();
  readonly #chance: Chance;
  readonly #to: () => number;
  readonly #agent = new Agent({ keepAlive: false });
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #port = 0;

  constructor(to: () => number, chance: Chance) {
    this.#to = to;
    this.#chance = chance;
    this.#server = createServer((message, response) => {
      this.#request(message, response).catch(() => message.socket.destroy());
    });
    this.#server.on("upgrade", (message: IncomingMessage, near: Duplex, head: Buffer) =>
      this.#upgrade(message, near, head),
    );
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  get port(): number {
    return this.#port;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    this.#port = typeof address === "object" && address ? address.port : 0;
    return this;
  }

  /** Do with everything that comes as a good one does. */
  calm(): void {
    this.fault = () => "pass";
    this.upgrades = "pass";
    this.buffers = this.refusesStreams = false;
  }

  dispose(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #request(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(message);
    const fault = this.fault(message);
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
    if (fault === "refuse") return this.#refuse(response);
    if (fault === "busy") {
      response.writeHead(503, { "Retry-After": "60" }).end();
      return;
    }
    if (this.refusesStreams && message.headers.accept === "text/event-stream") {
      response.writeHead(403, { "Content-Type": "text/html" }).end("<h1>No</h1>");
      return;
    }
    const times = fault === "twice" && message.method !== "GET" ? 2 : 1;
    const asked = Array.from({ length: times }, () => this.#ask(message, body, response));
    const answered = this.#chance.one(await Promise.all(asked));
    if (!answered) return; // a stream, which is on its way
    if (fault === "lose") return this.#refuse(response);
    this.#answer(message, response, answered, fault);
  }

  #refuse(response: ServerResponse): void {
    const after = this.#chance.one([undefined, "0", "1"]);
    response.writeHead(this.#chance.one([502, 503, 504]), {
      "Content-Type": "text/html",
      ...(after && { "Retry-After": after }),
    });
    response.end("<h1>Sorry</h1>");
  }

  #answer(
    message: IncomingMessage,
    response: ServerResponse,
    { status, headers, body }: Answered,
    fault: Fault,
  ): void {
    const half = body.subarray(0, this.#chance.between(0, body.length));
    const kept = Object.entries(headers).filter(([name]) => !HOP.includes(name));
    const { socket } = response;
    const given: Record<string, string | string[] | undefined> = Object.fromEntries(kept);
    // Half of nothing is all of it.
    const whole = !body.length || message.method === "HEAD";
    if (fault === "shorten" && !whole) {
      response.useChunkedEncodingByDefault = false;
      response.writeHead(status, { ...given, Connection: "close" });
      response.end(half);
    } else if ((fault === "truncate" || fault === "stall") && !whole) {
      response.writeHead(status, { ...given, "Content-Length": body.length });
      response.write(half, () => fault === "truncate" && socket?.destroy());
    } else {
      const length =
        status === 304 || message.method === "HEAD" ? {} : { "Content-Length": body.length };
      response.writeHead(status, { ...given, ...length });
      response.end(message.method === "HEAD" ? undefined : body);
      if (fault === "stray") socket?.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    }
  }

  /** Ask the server. Streams are passed on at once: null. */
  #ask(message: IncomingMessage, body: Buffer, response: ServerResponse): Promise<Answered | null> {
    return new Promise((resolve, reject) => {
      const kept = Object.entries(message.headers).filter(([name]) => !HOP.includes(name));
      const headers = { ...Object.fromEntries(kept), "content-length": body.length };
      const asked = request(
        {
          host: "127.0.0.1",
          port: this.#to(),
          path: message.url,
          method: message.method,
          agent: this.#agent,
          headers,
        },
        (answer) => {
          const status = answer.statusCode ?? 0;
          const stream = answer.headers["content-type"]?.startsWith("text/event-stream");
          if (!stream || this.buffers) {
            read(answer).then((all) => {
              resolve({ status, headers: answer.headers, body: all });
            }, reject);
            return;
          }
          response.writeHead(status, { "Content-Type": "text/event-stream" });
          answer.on("data", (piece: Buffer) => response.write(piece));
          answer.on("close", () => response.end());
          answer.on("error", () => response.destroy());
          resolve(null);
        },
      );
      asked.on("error", reject);
      response.on("close", () => asked.destroy());
      asked.end(body);
    });
  }

  #upgrade(message: IncomingMessage, near: Duplex, head: Buffer): void {
    const { upgrades } = this;
    near.on("error", () => near.destroy());
    if (upgrades === "hang") return;
    if (typeof upgrades === "number") {
      near.end(`HTTP/1.1 ${upgrades} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    const far = createConnection({ host: "127.0.0.1", port: this.#to() });
    far.on("error", () => near.destroy());
    far.on("close", () => near.destroy());
    near.on("close", () => far.destroy());
    far.write(`${message.method} ${message.url} HTTP/1.1\r\n`);
    for (let i = 0; i < message.rawHeaders.length; i += 2) {
      far.write(`${message.rawHeaders[i]}: ${message.rawHeaders[i + 1]}\r\n`);
    }
    far.write("\r\n");
    far.write(head);
    near.on("data", (data: Buffer) => far.write(data));
    let greeted = false;
    far.on("data", (data: Buffer) => {
      if (!greeted || upgrades === "pass") near.write(data);
      greeted ||= data.includes('"welcome"');
    });
  }
}

async function read(stream: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
