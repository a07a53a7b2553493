/**
 * A bad network: passes bytes between a client and a server, and breaks connections at any byte.
 * It knows nothing of HTTP; what a bad proxy does with that is in `gateway.ts`.
 */

import { createConnection, createServer, type Server, type Socket } from "node:net";
import { wait } from "./clock.js";

/** What is to become of one connection. Bytes are those of the answers, or of what is asked. */
export interface Fate {
  /** Cut after so many bytes: with a reset, or as if it were the end. */
  readonly cut?: { readonly after: number; readonly of: Way; readonly reset: boolean };
  /** After so many bytes of answers nothing is passed on any more, and nothing is closed. */
  readonly freezes?: number;
  /** Milliseconds that each piece takes. */
  readonly delay?: number;
  /** Milliseconds without a byte after which it is closed. */
  readonly idle?: number;
}

type Way = "answers" | "asked";

/** In front of a port. */
export class Wire {
  /** Drawn for each connection that comes. */
  fate: () => Fate = () => ({});
  /** Connections that were opened, and that were broken. */
  opened = 0;
  broken = 0;
  readonly #pairs = new Set<Pair>();
  readonly #server: Server;
  #port = 0;

  constructor(to: () => number) {
    this.#server = createServer((near) => {
      this.opened++;
      const far = createConnection({ host: "127.0.0.1", port: to() });
      const pair: Pair = new Pair(near, far, this.fate(), () => this.broken++);
      this.#pairs.add(pair);
      near.on("close", () => this.#pairs.delete(pair));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
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

  /** Connections that are open now. */
  get open(): number {
    return this.#pairs.size;
  }

  /** All connections there are become half-open: nothing comes through, nothing is closed. */
  freeze(): void {
    for (const pair of this.#pairs) pair.freeze();
  }

  /** Break all connections there are. */
  cut(): void {
    for (const pair of [...this.#pairs]) pair.cut(true);
  }

  /** From now on all is well with connections that come; those there are keep their fate. */
  calm(): void {
    this.fate = () => ({});
  }

  dispose(): void {
    this.#server.close();
    this.cut();
  }
}

/** One connection: the client's side, and the server's. */
class Pair {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #fate: Fate;
  readonly #broke: () => void;
  readonly #bytes: Record<Way, number> = { answers: 0, asked: 0 };
  readonly #passing: Record<Way, Promise<void> | null> = { answers: null, asked: null };
  #frozen = false;

  constructor(near: Socket, far: Socket, fate: Fate, broke: () => void) {
    this.#near = near;
    this.#far = far;
    this.#fate = fate;
    this.#broke = broke;
    for (const [from, to, way] of [
      [near, far, "asked"],
      [far, near, "answers"],
    ] as const) {
      from.setNoDelay();
      from.on("data", (data) => this.#came(data, to, way));
      from.on("end", () => this.#then(way, () => this.#frozen || to.end()));
      from.on("close", () => this.#then(way, () => this.#frozen || to.destroySoon()));
      from.on("error", () => this.#frozen || to.destroy());
    }
    // Who gave up on it is no part of it any more.
    near.on("close", () => far.destroy());
    if (fate.idle) near.setTimeout(fate.idle, () => this.cut(false));
  }

  freeze(): void {
    if (!this.#frozen) this.#broke();
    this.#frozen = true;
  }

  cut(reset: boolean): void {
    this.#broke();
    if (reset) this.#near.resetAndDestroy();
    else this.#near.end(() => this.#near.destroy());
    this.#far.destroy();
  }

  #then(way: Way, what: () => unknown): void {
    const before = this.#passing[way];
    if (before) this.#passing[way] = before.then(() => void what());
    else what();
  }

  #came(data: Buffer, to: Socket, way: Way): void {
    const { delay } = this.#fate;
    if (delay)
      this.#passing[way] = (this.#passing[way] ?? Promise.resolve()).then(() => wait(delay));
    this.#then(way, () => this.#pass(data, to, way));
  }

  #pass(data: Buffer, to: Socket, way: Way): void {
    if (this.#frozen || to.destroyed) return;
    const { cut, freezes = Number.POSITIVE_INFINITY } = this.#fate;
    const left = cut?.of === way ? cut.after - this.#bytes[way] : Number.POSITIVE_INFINITY;
    this.#bytes[way] += data.length;
    if (way === "answers" && this.#bytes.answers > freezes) {
      this.freeze();
    } else if (cut && left <= data.length) {
      // A reset throws away what is still on its way, so it is not at once.
      to.write(data.subarray(0, Math.max(0, left)), () => this.cut(cut.reset));
    } else {
      to.write(data);
    }
  }
}
