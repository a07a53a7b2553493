// What tasks without a file show: primes by segment, or a line of text.

import { count, el, setText, show } from "./dom.js";

const SEGMENTS = 24;

export class TaskView {
  #chart = el("div", {
    class: "primes",
    role: "img",
    "aria-label": "Primes in each segment",
    hidden: true,
  });
  #line = el("p", { class: "facts" });
  #columns = [];

  constructor() {
    this.element = el("div", { class: "task-view" }, this.#chart, this.#line);
  }

  update({ view }) {
    const segments = view.parts
      .filter(Boolean)
      .map((part) => part.data)
      .filter((data) => data.step === "segment");
    show(this.#chart, segments.length > 0);
    if (segments.length > 0) this.#draw(segments);
    const primes = segments.reduce((sum, segment) => sum + segment.primes, 0);
    const { result } = view;
    if (result?.kind === "primes")
      setText(this.#line, `${count(result.primes)} primes below ${count(result.limit)}`);
    else if (result?.kind === "note") setText(this.#line, result.text);
    else if (segments.length > 0)
      setText(this.#line, `${count(primes)} primes below ${count(segments.at(-1).stop)} so far`);
    else setText(this.#line, "");
    show(this.#line, this.#line.textContent !== "");
  }

  #draw(segments) {
    while (this.#columns.length < SEGMENTS) {
      const column = el("i");
      this.#columns.push(column);
      this.#chart.append(column);
    }
    const highest = Math.max(...segments.map((segment) => segment.primes));
    this.#columns.forEach((column, at) => {
      const segment = segments[at];
      column.style.height = segment ? `${Math.max(4, (100 * segment.primes) / highest)}%` : "";
      column.classList.toggle("there", Boolean(segment));
    });
  }
}
