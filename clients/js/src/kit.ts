/**
 * What modules that are loaded later have of the core's: handed to them, so that the core stays in
 * one file, which compresses better than two and is there sooner.
 */

import { pause } from "./backoff.js";
import { asError, closed, local, RingbackError, retryAfter } from "./errors.js";
import { isPath, literal, matcher } from "./filters.js";
import { passes } from "./http.js";
import { freshKey } from "./key.js";
import { beyond, higher } from "./positions.js";
import { isOperation } from "./resume.js";

export const kit = {
  RingbackError,
  asError,
  beyond,
  closed,
  freshKey,
  higher,
  isOperation,
  isPath,
  literal,
  local,
  matcher,
  passes,
  pause,
  retryAfter,
} as const;

export type Kit = typeof kit;
