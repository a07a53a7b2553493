/** What the browser keeps for the next visit. Storage that is full, forbidden or spoilt is none. */

const PREFIX = "ask-around-me.";

/** What was kept under a name, if `check` will have it. */
export function recall<T>(name: string, check: (value: unknown) => T | undefined): T | undefined {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? undefined : check(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** All that was kept under names that begin so. */
export function recallAll(prefix: string): readonly unknown[] {
  try {
    return Object.keys(localStorage)
      .filter((name) => name.startsWith(PREFIX + prefix))
      .map((name) => recall(name.slice(PREFIX.length), (value) => value));
  } catch {
    return [];
  }
}

/** Keep a value under a name; `undefined`: nothing any more. */
export function keep(name: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // The page works without it, until it is left.
  }
}

/** Whether something is an object with members. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
