// What a wire log looks like: a list of requests and events beside the card, each request to be
// copied as a command line.

import { bytes, duration, el, icon, setText, show } from "./dom.js";
import { curl } from "./wire.js";

const SHOWN_HEADERS = [
  "Idempotency-Key",
  "If-None-Match",
  "Prefer",
  "Last-Event-ID",
  "Upload-Offset",
];
const NEAR_END = 24; // pixels: whoever has scrolled up further wants to read, not to follow
const COPIED_FOR = 1400; // milliseconds that "copied" is shown

export class WirePanel {
  #rows = new Map();
  #list = el("ol", { class: "wire-list" });
  #way = el("span", { class: "wire-way" });
  #count = el("span", { class: "wire-count" });
  #dropped = el("li", { class: "wire-dropped", hidden: true });
  #body;

  constructor(operation, open, toggled) {
    this.operation = operation;
    this.#body = el(
      "div",
      // Scrolled by keyboard too, so it can be focused, and says what it is. No landmark: there is
      // one for each operation, and two of a kind would have the same name.
      {
        class: "wire-scroll",
        tabindex: "0",
        role: "group",
        "aria-label": `Requests of ${operation.record.title}`,
      },
      this.#list,
    );
    const summary = el(
      "summary",
      {},
      el("span", { class: "wire-title" }, "On the wire"),
      this.#count,
      this.#way,
    );
    this.element = el("details", { class: "wire" }, summary, this.#body);
    this.element.open = open;
    this.element.addEventListener("toggle", () => {
      this.#scroll(true);
      toggled(this.element.open);
    });
    for (const entry of operation.wire.entries) this.#add(entry);
    operation.addEventListener("wire", ({ detail: { entry, isNew } }) => {
      const follows = this.#atEnd();
      if (isNew) this.#add(entry);
      else this.#rows.get(entry)?.update();
      this.#trim();
      this.#scroll(follows);
    });
    this.#trim();
  }

  /** Say how the operation is being followed. */
  update() {
    setText(this.#way, this.operation.way);
    const { begun } = this.operation.wire;
    setText(this.#count, begun === 1 ? "1 request" : `${begun} requests`);
  }

  #add(entry) {
    const row = { request: requestRow, event: eventRow, mark: markRow }[entry.kind](entry);
    this.#rows.set(entry, row);
    this.#list.append(row.element);
  }

  /** Drop the rows of entries that the log has let go. */
  #trim() {
    const { entries, dropped } = this.operation.wire;
    if (this.#rows.size > entries.length) {
      const kept = new Set(entries);
      for (const [entry, row] of this.#rows) {
        if (!kept.has(entry)) {
          if (this.#dropped.parentNode === null) row.element.before(this.#dropped);
          row.element.remove();
          this.#rows.delete(entry);
        }
      }
    }
    show(this.#dropped, dropped > 0);
    setText(this.#dropped, `${dropped} more`);
    this.update();
  }

  #atEnd() {
    const box = this.#body;
    return box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
  }

  #scroll(follows) {
    if (follows) this.#body.scrollTop = this.#body.scrollHeight;
  }
}

/** The path with ids and tokens cut short, since only a person reads it here. */
function brief(path) {
  return path
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+([0-9a-f]{4})/g, "…$1")
    .replace(/([?&])token=[^&]*/, "$1token=…")
    .replace(/after=[^&]*?-(\d+)/, "after=…-$1");
}

function requestRow(entry) {
  const status = el("span", { class: "wire-status" });
  const took = el("span", { class: "wire-took" });
  const copy = el(
    "button",
    {
      class: "wire-copy",
      type: "button",
      "aria-label": `Copy ${entry.method} ${brief(entry.path)} as curl`,
      title: "Copy as curl",
    },
    icon("copy"),
  );
  copy.addEventListener("click", async () => {
    await copyText(curl(entry, location.origin));
    copy.classList.add("copied");
    copy.replaceChildren(icon("done"));
    setTimeout(() => {
      copy.classList.remove("copied");
      copy.replaceChildren(icon("copy"));
    }, COPIED_FOR);
  });
  const said = SHOWN_HEADERS.filter((name) => name in entry.headers).map(
    (name) => `${name}: ${shorten(entry.headers[name])}`,
  );
  if (entry.size !== undefined) said.push(bytes(entry.size));
  if (entry.note) said.push(entry.note);
  const element = el(
    "li",
    { class: "wire-request" },
    el(
      "div",
      { class: "wire-line" },
      el("span", { class: `wire-method ${entry.method.toLowerCase()}` }, entry.method),
      el(
        "span",
        { class: "wire-path", title: entry.path.replace(/token=[^&]*/, "token=…") },
        brief(entry.path),
      ),
      status,
      took,
      copy,
    ),
    said.length > 0 ? el("div", { class: "wire-said" }, said.join(" · ")) : null,
  );
  const update = () => {
    setText(status, entry.status === null ? "…" : String(entry.status));
    status.dataset.class = typeof entry.status === "number" ? String(entry.status)[0] : "none";
    const stream = entry.stream && entry.status === 200 ? (entry.closed ? "closed" : "open") : null;
    const time = entry.took === null ? "" : duration(entry.took);
    setText(
      took,
      [stream, entry.stream && !entry.closed ? "" : time, entry.replayed && "replayed"]
        .filter(Boolean)
        .join(" · "),
    );
  };
  update();
  return { element, update };
}

function eventRow(entry) {
  const element = el(
    "li",
    { class: "wire-event" },
    el("span", { class: "wire-name" }, entry.name),
    el("span", { class: "wire-data" }, entry.gist),
    entry.id
      ? el(
          "span",
          { class: "wire-id", title: `id: ${entry.id}` },
          `id …${entry.id.slice(entry.id.lastIndexOf("-"))}`,
        )
      : null,
  );
  return { element, update() {} };
}

function markRow(entry) {
  return { element: el("li", { class: "wire-mark" }, entry.text), update() {} };
}

function shorten(value) {
  return value.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+([0-9a-f]{4})/g, "…$1");
}

async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = el("textarea", { class: "off-screen", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy"); // all there is where the page is not served securely
  area.remove();
}
