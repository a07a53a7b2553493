/** Server-Sent Events (WHATWG HTML §9.2.6), from pieces cut anywhere. */

/** What one block of lines said. */
export interface ServerSentEvent {
  /** `message` unless named. */
  readonly event: string;
  /** null: it only says where the stream stands, or nothing. */
  readonly data: string | null;
  /** The last id that was said, in this block or before. */
  readonly id: string;
}

/** Reads text; tells of each block that has ended, and of `retry:` in milliseconds. */
export class SseParser {
  #rest = "";
  #id = "";
  #event = "";
  #data: string | null = null;
  readonly #onEvent: (event: ServerSentEvent) => void;
  readonly #onRetry: (milliseconds: number) => void;

  constructor(onEvent: (event: ServerSentEvent) => void, onRetry: (milliseconds: number) => void) {
    this.#onEvent = onEvent;
    this.#onRetry = onRetry;
  }

  /** The next piece of the text. */
  push(text: string): void {
    const all = this.#rest + text;
    let from = 0;
    for (const end of all.matchAll(/\r\n|\n|\r/g)) {
      // A CR at the very end may be the half of a CRLF: it waits for what follows.
      if (end[0] === "\r" && end.index === all.length - 1) break;
      this.#line(all.slice(from, end.index));
      from = end.index + end[0].length;
    }
    this.#rest = all.slice(from);
  }

  #line(line: string): void {
    if (!line) {
      this.#onEvent({ event: this.#event || "message", data: this.#data, id: this.#id });
      this.#event = "";
      this.#data = null;
      return;
    }
    const colon = line.indexOf(":");
    if (!colon) return; // a comment
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.#onRetry(+value);
  }
}
