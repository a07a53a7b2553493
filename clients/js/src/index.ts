/** Ringback's client for browsers and Node: submit work, follow it, follow topics. */

export { connect } from "./client.js";
export { RingbackError } from "./errors.js";
export type { DataOf } from "./topics.js";
export type * from "./types.js";
