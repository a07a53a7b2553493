/** Real servers for tests, in processes of their own, that can be killed and started again. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const HERE = import.meta.dirname;
const ROOT = join(HERE, "../../..");
const LIMIT = 60_000;

/** Of real time, which a test may make hurry. */
const { setTimeout: later } = globalThis;
const wait = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => later(resolve, milliseconds));

/** A port that is free just now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** `ringback run` of `server/app.py`, or of another folder's, on a data folder of its own. */
export class Server {
  readonly #data = mkdtempSync(join(tmpdir(), "rb-js-"));
  readonly #settings: Record<string, string>;
  readonly #folder: string;
  #port = 0;
  #process: ChildProcess | null = null;
  output = "";

  constructor(settings: Record<string, string | number> = {}, folder = "server") {
    this.#folder = join(HERE, folder);
    const named = Object.entries(settings);
    this.#settings = Object.fromEntries(
      named.map(([name, value]) => [`RINGBACK_${name.toUpperCase()}`, String(value)]),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Start it, again if need be, on the same port and folder, and wait until it answers. */
  async start(): Promise<this> {
    this.#port ||= await freePort();
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("RINGBACK_"));
    const started = spawn(
      join(ROOT, ".venv/bin/ringback"),
      ["run", "app:rb", "--port", String(this.#port)],
      {
        cwd: this.#folder,
        env: { ...Object.fromEntries(kept), RINGBACK_DATA: this.#data, ...this.#settings },
        detached: true,
      },
    );
    this.#process = started;
    const hear = (text: Buffer): void => {
      this.output += text.toString();
    };
    started.stdout.on("data", hear);
    started.stderr.on("data", hear);
    for (const end = performance.now() + LIMIT; performance.now() < end; ) {
      if (started.exitCode !== null) break;
      const answer = await fetch(`${this.url}healthz`).catch(() => null);
      if (answer?.ok) return this;
      await wait(20);
    }
    throw new Error(`The server did not start:\n${this.output}`);
  }

  /** End it as a power cut does. */
  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = null;
    if (!running?.pid || running.exitCode !== null) return;
    const gone = new Promise((resolve) => running.once("exit", resolve));
    process.kill(-running.pid, "SIGKILL");
    await gone;
  }

  /** End it, and forget what it kept. */
  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.#data, { recursive: true, force: true });
  }

  /** Publish from outside of any client. */
  async publish(topic: string, data: unknown): Promise<string> {
    const answer = await fetch(`${this.url}topics/${topic}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(data),
    });
    if (!answer.ok) throw new Error(await answer.text());
    return ((await answer.json()) as { position: string }).position;
  }
}

/** Wait until something holds. */
export async function until<T>(what: () => T | Promise<T>, limit = 60_000): Promise<T> {
  for (const end = performance.now() + limit; ; ) {
    const found = await what();
    if (found) return found;
    if (performance.now() > end)
      throw new Error(`It did not come to hold within ${limit} ms: ${what}`);
    await wait(10);
  }
}
