/** The vectors of ringback.v1: what every implementation of the protocol has to agree on. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "../../../tests/vectors/ringback-v1");

/** Those of one file. */
export function vectors<T>(name: string): T[] {
  return (JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf8")) as { vectors: T[] })
    .vectors;
}
