/**
 * The link: which transport carries, when to try again, and when to try a better one.
 *
 * What is followed stands in the positions; a transport that ends leaves everything there with
 * which the next goes on.
 */

import { Backoff, CAP } from "./backoff.js";
import { call } from "./call.js";
import { closed, type RingbackError } from "./errors.js";
import type { Http } from "./http.js";
import { kit } from "./kit.js";
import { type Entry, Positions } from "./resume.js";
import type { Context, Failure, Transport } from "./transport.js";
import type { Connection, ConnectionStatus, Options, TransportName } from "./types.js";

/** Milliseconds that a connection stays when nothing is followed any more. */
const LINGER = 2_000;
/** Seconds: the longest pause between two tries of a better transport. */
const PROBES = 300;
/** Seconds; who holds for less each time, so many times in a row, does not work from here. */
const SHORT = 5;
const SHORTS = 3;

const offline = (): boolean => globalThis.navigator?.onLine === false;

/** Makes a transport by its name. */
export type Make = (name: TransportName, context: Context) => Transport;

/** One connection for all that is followed. */
export class Link {
  readonly positions = new Positions();
  connection: Connection = Object.freeze({
    status: "idle",
    transport: null,
    retryAt: null,
    error: null,
  });
  readonly listeners = new Set<(connection: Connection) => void>();
  readonly #http: Http;
  readonly #options: Options;
  readonly #make: Make;
  #names: readonly TransportName[];
  #rung = 0;
  #transport: Transport | null = null;
  #probe: Transport | null = null;
  #since: number | null = null;
  #shorts = 0;
  #renewed = false;
  #backoff = new Backoff();
  #probes = new Backoff(PROBES);
  #wait: ReturnType<typeof setTimeout> | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #probing: ReturnType<typeof setTimeout> | undefined;
  #changed = false;
  #over = false;

  constructor(http: Http, options: Options, names: readonly TransportName[], make: Make) {
    this.#http = http;
    this.#options = options;
    this.#names = names;
    this.#make = make;
    this.#listen("addEventListener");
  }

  #listen(how: "addEventListener" | "removeEventListener"): void {
    for (const name of ["online", "offline", "pageshow"]) globalThis[how]?.(name, this.#look);
    globalThis.document?.[how]("visibilitychange", this.#look);
  }

  /** Follow something more. */
  add(entry: Entry): void {
    if (this.#over) {
      entry.end(closed());
      return;
    }
    this.positions.entries.add(entry);
    this.#change();
  }

  /** Follow it no more. */
  remove(entry: Entry): void {
    if (this.positions.entries.delete(entry)) this.#change();
  }

  /** Use these from now on. */
  use(names: readonly TransportName[]): void {
    if (!names.length) throw new RangeError("There is no transport to use.");
    this.#names = names;
    this.#probes = new Backoff(PROBES);
    this.reopen();
  }

  /** There is another token. */
  renewed(): void {
    if (this.#since === null) this.reopen();
    else this.#transport?.renewed();
  }

  /** Begin anew with the best transport, at once. */
  reopen(): void {
    this.#drop();
    this.#rung = 0;
    this.#backoff = new Backoff();
    this.#say(this.positions.entries.size ? "connecting" : "idle");
    this.#change();
  }

  /** End all of it, for good. */
  close(): void {
    this.#over = true;
    this.#listen("removeEventListener");
    this.#drop();
    this.positions.end(this.positions.entries, null);
    this.#say("closed");
  }

  /** Once for all that changes at the same time. */
  #change(): void {
    if (this.#changed) return;
    this.#changed = true;
    queueMicrotask(() => {
      this.#changed = false;
      if (this.#over) return;
      clearTimeout(this.#linger);
      if (!this.positions.entries.size) {
        this.#linger = setTimeout(() => {
          this.#drop();
          this.#say("idle");
        }, LINGER);
      }
      const { status } = this.connection;
      if (this.#transport) this.#transport.change();
      else if (this.positions.entries.size && status !== "waiting") this.#open();
    });
  }

  #look = (event: Event): void => {
    if (event.type === "offline") {
      if (!this.positions.entries.size) return;
      this.#drop();
      this.#say("offline");
    } else if (globalThis.document?.visibilityState !== "hidden" || event.type === "online") {
      // A page that was frozen is not told of the network, neither when it goes nor when it comes.
      if (this.connection.status === "offline") offline() || this.reopen();
      else if (this.#transport) this.#transport.check();
      else if (this.connection.status === "waiting") this.#open();
      if (event.type === "online" && this.#rung) this.#try();
    }
  };

  /** End what carries; everything keeps its position. */
  #drop(): void {
    clearTimeout(this.#wait);
    clearTimeout(this.#probing);
    this.#probe?.close();
    this.#transport?.close();
    this.#probe = this.#transport = null;
    this.#since = null;
    this.positions.lost();
  }

  #open(): void {
    clearTimeout(this.#wait);
    if (this.#over || !this.positions.entries.size) return;
    const name = this.#names[this.#rung];
    this.#say(offline() ? "offline" : "connecting");
    if (offline() || !name) return;
    const mine = (): boolean => this.#transport === transport;
    const transport: Transport = this.#begin(
      name,
      false,
      (via) => mine() && this.#up(via),
      (failure) => mine() && this.#down(failure),
    );
    this.#transport = transport;
  }

  #begin(
    name: TransportName,
    probing: boolean,
    up: Context["up"],
    down: (failure: Failure) => unknown,
  ): Transport {
    const { positions } = this;
    const context = {
      kit,
      http: this.#http,
      options: this.#options,
      names: this.#names,
      positions,
      probing,
      up,
      down,
    };
    return this.#make(name, context);
  }

  #up(via?: TransportName | null): void {
    this.#since = Date.now();
    this.#say("connected", null, null, via);
    this.#transport?.start();
    if (this.#rung) this.#plan();
  }

  #plan(): void {
    clearTimeout(this.#probing);
    this.#probing = setTimeout(() => this.#try(), this.#probes.next() * 1000);
  }

  /** Is there a better one by now? What carries goes on until that is sure. */
  #try(rung = 0): void {
    const name = this.#names[rung];
    if (this.#probe || this.#since === null || rung >= this.#rung || !name) {
      if (this.#since !== null && !this.#probe && this.#rung) this.#plan();
      return;
    }
    const probe: Transport = this.#begin(
      name,
      true,
      () => {
        if (this.#probe !== probe) return;
        this.#transport?.close();
        this.positions.lost();
        this.#transport = probe;
        this.#probe = null;
        this.#rung = rung;
        this.#up();
      },
      (failure) => {
        if (this.#probe === probe) {
          this.#probe = null;
          this.#try(rung + 1);
        } else if (this.#transport === probe) {
          this.#down(failure);
        }
      },
    );
    this.#probe = probe;
  }

  #down(failure: Failure): void {
    const { error, refused, broken, stay, after } = failure;
    const seconds = this.#since === null ? null : (Date.now() - this.#since) / 1000;
    this.#drop();
    if (seconds !== null && !broken) {
      this.#backoff.held(seconds);
      this.#probes.held(seconds);
    }
    this.#shorts =
      seconds !== null && seconds < SHORT && after === undefined ? this.#shorts + 1 : 0;
    const short = this.#shorts >= SHORTS;
    if (seconds && seconds > SHORT) this.#renewed = false;
    if (refused || error?.status === 401) {
      this.#renew(refused ? refused.token : this.#http.tokens.token, error);
    } else if (stay) {
      this.#say("closed", error);
    } else if ((broken || short) && this.#rung + 1 < this.#names.length) {
      this.#shorts = 0;
      this.#rung++;
      this.#open();
    } else {
      if (broken || short || seconds === null) this.#rung = 0;
      this.#pause(after ?? (error?.retryAfter || this.#backoff.next()), error);
    }
  }

  #pause(seconds: number, error: RingbackError | null): void {
    const milliseconds = Math.min(seconds, CAP * 2) * 1000;
    this.#say("waiting", error, Date.now() + milliseconds);
    this.#wait = setTimeout(() => this.#open(), milliseconds);
  }

  /** A token was not good: go on with another, at once for the first. */
  #renew(token: string | undefined, error: RingbackError | null): void {
    const again = (another: boolean): void => {
      if (this.#transport || this.#over) return;
      if (!another && !this.#options.getToken) {
        this.#say("closed", error);
      } else {
        this.#pause(another && !this.#renewed ? 0 : this.#backoff.next(), error);
        this.#renewed = true;
      }
    };
    this.#say("connecting", error);
    this.#http.tokens.renew(token).then(again, () => again(false));
  }

  #say(
    status: ConnectionStatus,
    error: RingbackError | null = null,
    retryAt: number | null = null,
    via: TransportName | null = this.#names[this.#rung] ?? null,
  ): void {
    const transport = ["idle", "closed", "offline"].includes(status) ? null : via;
    const now = this.connection;
    if (
      now.status === status &&
      now.transport === transport &&
      now.retryAt === retryAt &&
      now.error === error
    )
      return;
    this.connection = Object.freeze({ status, transport, retryAt, error });
    for (const listener of [...this.listeners]) call(listener, this.connection);
  }
}
