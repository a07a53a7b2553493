/**
 * Which topics a filter is about: as the server has it (MQTT's wildcards, templates), for messages
 * that belong to whatever fits. A filter that the server refuses may mean anything here.
 */

/** A text as a regular expression of itself. */
export const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** Whether it is the path of a URL pattern: see `patterns.ts`. */
export const isPath = (filter: string): boolean => filter.length > 1 && filter[0] === "/";

/** Whether a topic is one of those that the filter is about. */
export function matcher(filter: string): (topic: string) => boolean {
  if (filter !== "*" && !/[+#{]/.test(filter)) return (topic) => topic === filter;
  const source = filter === "*" ? ".*" : filter.split("/").map(segment).join("");
  // A wildcard at the beginning does not stand for what begins with a $ (MQTT 5 §4.7.2).
  const hidden = /^[^/]*[+#{*]/.test(filter) ? "(?!\\$)" : "";
  const expression = new RegExp(`^${hidden}${source}$`, "s");
  return (topic) => expression.test(topic);
}

function segment(text: string, index: number): string {
  const slash = index ? "\\/" : "";
  if (text === "#") return index ? "(?:\\/.*)?" : ".*";
  if (text === "+") return `${slash}[^/]+`;
  const parts = text.split(/\{(\+?)[^}]*\}/);
  // A split by an expression with one group gives literal and group in turn.
  return slash + parts.map((part, i) => (i % 2 ? (part ? ".+" : "[^/]+") : literal(part))).join("");
}
