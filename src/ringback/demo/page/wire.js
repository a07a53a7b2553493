// The wire log of one card: every request its page made, and every event that came. Plain data,
// kept over reloads; what it looks like is `wire_panel.js`'s to say.

import { bytes, plural } from "./dom.js";

const KEPT = 120; // entries of a card: the first tell the pattern, the last tell what goes on
const FIRST = 4;
const SHOWN_BODY = 2000; // characters of a body that are kept for curl

/** A log; `changed(entry, isNew)` is called after each change. */
export class Wire {
  constructor(entries = []) {
    this.entries = entries;
    this.dropped = 0;
    this.changed = () => {};
    this.begun = 0; // how many requests were begun, for a summary
    for (const entry of entries) {
      if (entry.kind === "request") {
        this.begun += 1;
        if (entry.status === null) entry.status = "cut off"; // by the reload
      }
    }
  }

  /** A request is being made. */
  request({ method, path, headers, json, size, file, note, stream }) {
    const body = json === undefined ? undefined : JSON.stringify(json).slice(0, SHOWN_BODY);
    this.begun += 1;
    return this.#add({
      kind: "request",
      method,
      path,
      headers,
      body,
      size,
      file,
      note,
      stream,
      status: null,
      took: null,
    });
  }

  /** It was answered; a stream, opened or closed. */
  answered(entry, facts) {
    Object.assign(entry, facts);
    this.changed(entry, false);
  }

  /** An event came over a stream; kept is what it says in a few words. */
  event(name, id, data, size) {
    this.#add({ kind: "event", name, id, gist: gist(name, data, size) });
  }

  /** Something else worth knowing when reading the log. */
  mark(text) {
    this.#add({ kind: "mark", text });
  }

  #add(entry) {
    entry.at = Date.now();
    this.entries.push(entry);
    if (this.entries.length > KEPT) {
      this.entries.splice(FIRST, 1);
      this.dropped += 1;
    }
    this.changed(entry, true);
    return entry;
  }
}

function gist(name, data, size) {
  switch (name) {
    case "progress":
      return [data.fraction === null ? null : `${Math.round(data.fraction * 100)} %`, data.message]
        .filter(Boolean)
        .join("  ");
    case "part":
      return `#${data.index}  ${data.data?.step ?? ""}  ${bytes(size)}`;
    case "snapshot":
    case "status":
      return [
        data.status,
        data.attempt > 0 ? `attempt ${data.attempt}` : null,
        name === "snapshot" && data.part_count > 0 ? plural(data.part_count, "part") : null,
        data.result !== undefined || data.result_size ? "with the result" : null,
      ]
        .filter(Boolean)
        .join("  ");
    default:
      return "";
  }
}

/** A request as a command line that makes it again; for a file, from the folder it lies in. */
export function curl(entry, origin) {
  const words = ["curl", entry.stream ? "-N" : "-i"];
  const piece = entry.file && entry.size < entry.file.total;
  if (piece) {
    words.unshift(
      `tail -c +${entry.file.offset + 1} ${quote(entry.file.name)} | head -c ${entry.size} |`,
    );
  }
  if (entry.method !== "GET") words.push("-X", entry.method);
  for (const [name, value] of Object.entries(entry.headers))
    words.push("-H", quote(`${name}: ${value}`));
  if (entry.body !== undefined) words.push("-d", quote(entry.body));
  if (entry.file) words.push("--data-binary", piece ? "@-" : quote(`@${entry.file.name}`));
  words.push(quote(origin + entry.path));
  return words.join(" ");
}

function quote(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
