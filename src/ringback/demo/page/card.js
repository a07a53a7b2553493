// One card: what an operation looks like, and the buttons that act on it.

import { bytes, duration, el, icon, plural, setText, show } from "./dom.js";
import { PhotoView } from "./show_photo.js";
import { TableView } from "./show_table.js";
import { TaskView } from "./show_task.js";
import { WirePanel } from "./wire_panel.js";

/** What each state is called, and what it means where its name does not say it. */
const STATES = {
  asking: ["asking", "Waiting for the server to take it."],
  "needs-file": ["waiting for its file", "The page was left while the file was being sent."],
  sending: ["sending", ""],
  queued: ["queued", "Accepted and stored; a worker takes it when it is free."],
  running: ["running", ""],
  retrying: ["trying again", ""],
  cancelling: ["cancelling", "Asked to stop."],
  succeeded: ["succeeded", ""],
  failed: ["failed", ""],
  cancelled: ["cancelled", ""],
  refused: ["not accepted", ""],
  gone: ["forgotten", "The server does not know it any more."],
};
const VIEWS = { photo: PhotoView, table: TableView, task: TaskView };
const OPEN = new Set([
  "asking",
  "needs-file",
  "sending",
  "queued",
  "running",
  "retrying",
  "cancelling",
]);

export class Card {
  #chip = el("span", { class: "chip" });
  #meta = el("p", { class: "meta" });
  #bar = el("div", { class: "bar" });
  #progress = el(
    "div",
    { class: "progress", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" },
    this.#bar,
  );
  #message = el("p", { class: "message" });
  #notice = el("p", { class: "notice", hidden: true });
  #error = el("div", { class: "problem", hidden: true });
  #actions = el("div", { class: "actions" });
  #badge;
  #toggle;
  #remove;
  #body;
  #buttons;
  #scheduled = false;
  #file;

  /** `on` has `removed(card)` and `redriven(operation)`. */
  constructor(operation, on) {
    this.operation = operation;
    this.on = on;
    const { record } = operation;
    const title = el("h3", { id: `title-${record.key}` }, record.title);
    this.#badge = el("div", { class: "badge" }, icon(record.kind));
    this.#body = new VIEWS[record.kind](record.title);
    this.#file = el("input", {
      type: "file",
      class: "off-screen",
      tabindex: "-1",
      "aria-hidden": "true",
    });
    this.#file.addEventListener("change", () => this.#resume());
    this.#buttons = {
      choose: this.#button("Choose the file again", "primary", () => this.#file.click()),
      cancel: this.#button("Cancel", "", () => operation.cancel()),
      redrive: this.#button("Run again", "primary", () => this.#redrive()),
    };
    this.#remove = el(
      "button",
      { type: "button", class: "toggle", "aria-label": `Remove ${record.title}`, title: "Remove" },
      icon("close"),
    );
    this.#remove.addEventListener("click", () => this.on.removed(this));
    this.#toggle = el(
      "button",
      {
        type: "button",
        class: "toggle fold",
        "aria-expanded": "true",
        "aria-label": `Details of ${record.title}`,
      },
      icon("chevron"),
    );
    this.#toggle.addEventListener("click", () => this.collapse(!record.collapsed, true));
    this.panel = new WirePanel(
      operation,
      record.wireOpen ?? matchMedia("(min-width: 900px)").matches,
      (open) => {
        record.wireOpen = open;
        operation.save();
      },
    );
    this.element = el(
      "li",
      { class: "card", "data-key": record.key },
      el(
        "article",
        { "aria-labelledby": `title-${record.key}` },
        el(
          "header",
          {},
          this.#badge,
          el(
            "div",
            { class: "naming" },
            el("div", { class: "name-line" }, title, this.#chip),
            this.#meta,
          ),
          this.#actions,
          this.#toggle,
          this.#remove,
        ),
        this.#progress,
        el(
          "div",
          { class: "card-body" },
          el(
            "div",
            { class: "outcome" },
            this.#message,
            this.#notice,
            this.#error,
            this.#body.element,
            this.#file,
          ),
          this.panel.element,
        ),
      ),
    );
    this.#actions.append(...Object.values(this.#buttons));
    operation.addEventListener("change", () => this.#schedule());
    this.collapse(record.collapsed ?? false);
    this.update();
  }

  get open() {
    return OPEN.has(this.operation.state);
  }

  /** Show the head of the card only, or all of it. */
  collapse(collapsed, keep = false) {
    this.operation.record.collapsed = collapsed;
    this.element.classList.toggle("collapsed", collapsed);
    this.#toggle.setAttribute("aria-expanded", String(!collapsed));
    if (keep) this.operation.save();
  }

  /** What changes with time alone. */
  tick() {
    if (this.operation.state === "retrying") this.update();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Many changes of one moment are drawn once; in a page that nobody sees, now and then.
    setTimeout(() => {
      this.#scheduled = false;
      this.update();
    }, 16);
  }

  update() {
    const { operation } = this;
    const { state, view, record } = operation;
    const [label, meaning] = STATES[state];
    const was = this.element.dataset.state;
    this.element.dataset.state = state;
    setText(this.#chip, label);
    this.#chip.title = meaning;
    this.#showMeta();
    this.#showProgress(state);
    setText(this.#message, this.#words(state));
    show(this.#message, this.#message.textContent !== "");
    const notice = attempts(view);
    setText(this.#notice, notice);
    show(this.#notice, notice !== "");
    this.#showProblem(state);
    this.#body.update(operation);
    const hidden =
      state === "refused" ||
      state === "gone" ||
      (record.kind !== "task" && view.partCount === 0 && !this.open && state !== "succeeded");
    show(this.#body.element, !hidden);
    show(this.#buttons.choose, state === "needs-file");
    show(this.#buttons.cancel, this.open && Boolean(operation.id) && state !== "cancelling");
    show(this.#buttons.redrive, state === "failed" && view.deadLetter);
    show(this.#remove, !this.open || state === "asking");
    this.panel.update();
    if (was !== state)
      this.element.dispatchEvent(
        new CustomEvent("state", { bubbles: true, detail: { card: this, was, state, label } }),
      );
  }

  /** The small line under the title. */
  #showMeta() {
    const { record, view } = this.operation;
    const facts = [];
    if (record.upload) facts.push(bytes(record.upload.size));
    else if (record.request?.path) facts.push(record.request.path.replace("/tasks/", "task "));
    if (record.took !== undefined) facts.push(`acknowledged in ${duration(record.took)}`);
    if (view.attempt > 1) facts.push(`attempt ${view.attempt}`);
    if (view.finishedAt)
      facts.push(
        `took ${duration(Date.parse(view.finishedAt) - Date.parse(view.createdAt))} in all`,
      );
    setText(this.#meta, facts.join(" · "));
  }

  #showProgress(state) {
    const { view, record } = this.operation;
    show(this.#progress, this.open);
    if (!this.open) return;
    let fraction = view.progress?.fraction ?? null;
    if (state === "sending" || state === "needs-file")
      fraction = (record.upload.sent ?? 0) / Math.max(record.upload.size, 1);
    else if (state === "queued" && record.upload) fraction = null; // sent, and not begun
    const label = `Progress of ${record.title}`;
    this.#progress.setAttribute("aria-label", label);
    this.#progress.classList.toggle("unknown", fraction === null && state !== "queued");
    if (fraction === null) {
      this.#progress.removeAttribute("aria-valuenow");
      this.#bar.style.width = "";
    } else {
      this.#progress.setAttribute("aria-valuenow", String(Math.round(fraction * 100)));
      this.#bar.style.width = `${fraction * 100}%`;
    }
  }

  /** The line under the bar. */
  #words(state) {
    const { operation } = this;
    const { view, record } = operation;
    if (state === "asking") return operation.waiting || "Asking…";
    if (state === "needs-file") {
      const sent = record.upload.sent ?? 0;
      return `The page was left while ${record.upload.name} was being sent; ${bytes(sent)} of ${bytes(record.upload.size)} are there. Choose the file again, and it goes on.`;
    }
    if (state === "sending")
      return `Sending, ${bytes(record.upload.sent ?? 0)} of ${bytes(record.upload.size)}`;
    if (state === "queued") return "Stored. A worker takes it when it is free.";
    if (state === "cancelling") return "Asked to stop; the worker will see it in a moment.";
    if (state === "retrying") {
      const left = view.readyAt ? Date.parse(view.readyAt) - Date.now() : 0;
      const when = left > 500 ? `in ${Math.ceil(left / 1000)} s` : "now";
      const why = view.error?.detail ?? "Its worker was lost.";
      return `Attempt ${view.attempt} did not succeed. ${why} Trying again ${when}.`;
    }
    if (state === "running" && operation.orphaned)
      return "Its worker was killed. Another takes over when the lease runs out.";
    if (state === "running") return view.progress?.message ?? "Started.";
    return "";
  }

  #showProblem(state) {
    const { operation } = this;
    const problem = this.#problem(state);
    show(this.#error, Boolean(problem));
    if (!problem || this.#error.dataset.shown === JSON.stringify(problem)) return;
    this.#error.dataset.shown = JSON.stringify(problem);
    const kept =
      state === "failed" && operation.view.deadLetter
        ? "It is kept as a dead letter, and can be run again."
        : null;
    const lines = [
      el("strong", {}, problem.title ?? "Problem"),
      el("p", {}, problem.detail ?? ""),
      kept && el("p", {}, kept),
      problem.type && el("code", {}, problem.type),
    ];
    this.#error.replaceChildren(...lines.filter(Boolean));
  }

  /** What is wrong, if anything is: an RFC 9457 problem. */
  #problem(state) {
    const { gone, problem, record, view } = this.operation;
    if (state === "refused") return record.refused;
    if (state === "failed") return view.error;
    if (state !== "gone") return problem?.problem ?? null;
    if (gone.status !== 404 && gone.status !== 410) return gone.problem;
    return {
      title: "Forgotten",
      detail: "Its time was over, or it was removed, or the server has another store by now.",
    };
  }

  #button(label, kind, act) {
    const button = el(
      "button",
      {
        type: "button",
        class: `button ${kind}`,
        "aria-describedby": `title-${this.operation.record.key}`,
      },
      label,
    );
    button.addEventListener("click", async () => {
      button.disabled = true; // until it is answered, however long the server is away
      try {
        await act();
      } finally {
        button.disabled = false;
      }
    });
    return button;
  }

  async #redrive() {
    this.on.redriven(await this.operation.redrive());
  }

  #resume() {
    const [file] = this.#file.files;
    this.#file.value = "";
    if (file && !this.operation.resumeWith(file)) {
      const { name, size } = this.operation.record.upload;
      setText(this.#message, `That is another file: this is about ${name}, of ${bytes(size)}.`);
    }
  }
}

/** What the attempts say: a killed worker's parts are kept, and the next one goes on after them. */
function attempts({ parts }) {
  const sent = parts.filter(Boolean);
  const first = sent.at(0)?.attempt;
  const next = sent.find((part) => part.attempt > first);
  if (next === undefined) return "";
  return `Went on in attempt ${next.attempt}, after the ${plural(next.index, "partial result")} that attempt ${sent[next.index - 1]?.attempt ?? first} had sent.`;
}
