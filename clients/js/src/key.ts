/** Idempotency keys. */

/** 128 random bits. (`randomUUID` is not there on pages without TLS.) */
export function freshKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
