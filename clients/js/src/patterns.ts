/** URL patterns (WHATWG) as filters: what few pages use, and so is loaded when one does. */

import type { literal as Literal } from "./filters.js";

/** Whether a topic, as the path of a URL, fits a pattern such as `/rooms/:id`. */
export function pathMatcher(filter: string, literal: typeof Literal): (topic: string) => boolean {
  const expression = new RegExp(`^(?:${urlPattern(filter, literal)})$`, "su");
  // What a wildcard begins with does not stand for a topic that begins with a $.
  const hidden = /^\/[:*({]/.test(filter);
  return (topic) => !(hidden && topic[0] === "$") && expression.test(`/${topic}`);
}

/** The pathname of a URL pattern (WHATWG) as a regular expression. */
function urlPattern(pattern: string, literal: typeof Literal): string {
  const token =
    /\\(.)|(\/?)(?::[\p{L}_$][\p{L}\p{N}_$]*(?:\(((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*)\))?|\(((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*)\)|(\*))([?+*])?|(\{)|\}([?+*])?|([\s\S])/gu;
  return pattern.replace(
    token,
    (whole, escaped, slash, named, bare, any, modifier, open, ends, other) => {
      if (escaped !== undefined) return literal(escaped);
      if (open) return "(?:";
      if (other !== undefined) return literal(other);
      if (whole[0] === "}") return `)${ends ?? ""}`;
      const value = any ? ".*" : `(?:${named ?? bare ?? "[^/]+"})`;
      return modifier ? `(?:${literal(slash)}${value})${modifier}` : literal(slash) + value;
    },
  );
}
