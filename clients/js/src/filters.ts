/**
 * Which topics a filter is about: as the server has it (MQTT's wildcards, templates, the paths of
 * URL patterns), for messages that belong to whatever fits. A filter that the server refuses may
 * mean anything here.
 */

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** Whether a topic is one of those that the filter is about. */
export function matcher(filter: string): (topic: string) => boolean {
  const path = filter.length > 1 && filter[0] === "/";
  if (!path && filter !== "*" && !/[+#{]/.test(filter)) return (topic) => topic === filter;
  const source = path
    ? urlPattern(filter)
    : filter === "*"
      ? ".*"
      : filter.split("/").map(segment).join("");
  // A wildcard at the beginning does not stand for what begins with a $ (MQTT 5 §4.7.2).
  const hidden = /^\/?[^/]*[+#{:*(]/.test(filter) ? "(?!\\$)" : "";
  const expression = new RegExp(path ? `^(?:${source})$` : `^${hidden}(?:${source})$`, "su");
  if (!path) return (topic) => expression.test(topic);
  return (topic) => !(hidden && topic[0] === "$") && expression.test(`/${topic}`);
}

function segment(text: string, index: number): string {
  const slash = index ? "\\/" : "";
  if (text === "#") return index ? "(?:\\/.*)?" : ".*";
  if (text === "+") return `${slash}[^/]+`;
  const parts = text.split(/\{(\+?)[^}]*\}/);
  // A split by an expression with one group gives literal and group in turn.
  return (
    slash +
    parts.map((part, i) => (i % 2 ? (part ? ".+" : "[^/]+") : literal(part))).join("")
  );
}

/** The pathname of a URL pattern (WHATWG) as a regular expression. */
function urlPattern(pattern: string): string {
  const token = /\\(.)|(\/?)(?::[\p{L}_$][\p{L}\p{N}_$]*(?:\(((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*)\))?|\(((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*)\)|(\*))([?+*])?|(\{)|\}([?+*])?|([^])/gu;
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
