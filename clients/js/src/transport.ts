/** What transports have in common: the one interface between them and the link. */

import type { RingbackError } from "./errors.js";
import type { Http } from "./http.js";
import type { Kit } from "./kit.js";
import type { Positions } from "./resume.js";
import type { Options, TransportName } from "./types.js";

/** Why a transport carries nothing any more. */
export interface Failure {
  readonly error: RingbackError | null;
  /** Seconds after which to come back, where somebody said so. */
  readonly after?: number | undefined;
  /** It does not work from here: try another. */
  readonly broken?: boolean;
  /** It would end in the same way again. */
  readonly stay?: boolean;
  /** This token was not good: worth another try with a fresh one. */
  readonly refused?: { readonly token: string | undefined };
}

/** What a transport is given. */
export interface Context {
  readonly kit: Kit;
  readonly http: Http;
  readonly positions: Positions;
  readonly options: Options;
  /** Those that may be used now, the best first. */
  readonly names: readonly TransportName[];
  /** Another transport carries as yet: touch nothing until started. */
  readonly probing: boolean;
  /**
   * It can carry: the link starts it, once no other carries. One that carries by another tab says by
   * what that does, each time that it changes.
   */
  up(via?: TransportName | null): unknown;
  /** It is over; nothing comes of it after this. */
  down(failure: Failure): unknown;
}

/** Carries everything that is followed. */
export interface Transport {
  /** Carry what there is: nothing was joined or wired before. */
  start(): void;
  /** Other entries are there than before. */
  change(): void;
  /** The page is back, or the network: is this still alive? */
  check(): void;
  /** There is another token. */
  renewed(): void;
  /** End, and say no more. */
  close(): void;
}
