// The columns of a table, growing as its rows are read: the newest part is the whole summary so far.

import { count, el, plural, setText, svg } from "./dom.js";

const TOP = 2; // values that are named
const TELLING = 0.08; // the share of the most frequent value below which no value tells anything
const FEW = 5; // different numbers beyond which bars tell more than names

export class TableView {
  #caption = el("p", { class: "facts" }, "Reading the first rows…");
  #rows = el("tbody");
  #shown = null;
  #table;

  constructor(title) {
    const head = ["Column", "Type", "Filled", "Least", "Mean", "Greatest", "Values"].map((name) =>
      el("th", { scope: "col" }, name),
    );
    this.#table = el(
      "div",
      {
        class: "table-scroll",
        tabindex: "0",
        role: "region",
        "aria-label": `Columns of ${title}`,
        hidden: true,
      },
      el("table", {}, el("thead", {}, el("tr", {}, head)), this.#rows),
    );
    this.element = el("div", { class: "table-view" }, this.#caption, this.#table);
  }

  update(operation) {
    const { view } = operation;
    const summary = view.result ?? operation.result ?? view.parts.at(-1)?.data;
    if (!summary || summary === this.#shown) return;
    this.#shown = summary;
    this.#table.hidden = false;
    const ragged = summary.ragged
      ? `, ${plural(summary.ragged, "row")} with more or fewer cells`
      : "";
    setText(
      this.#caption,
      `${plural(summary.rows, "row")}${view.status === "succeeded" ? "" : " so far"}, ${plural(summary.columns.length, "column")}${ragged}`,
    );
    this.#rows.replaceChildren(...summary.columns.map((column) => row(column)));
  }
}

function row(column) {
  const cells = column.count + column.missing;
  const filled = cells === 0 ? 0 : column.count / cells;
  const bar = el("i");
  bar.style.width = `${filled * 100}%`;
  const range =
    column.type === "date"
      ? [column.first, null, column.last]
      : column.type === "text"
        ? [null, null, null]
        : [column.least, column.mean, column.greatest];
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, column.name),
    el("td", {}, el("span", { class: `type ${column.type}` }, column.type)),
    el(
      "td",
      { class: "filled", title: `${count(column.missing)} missing` },
      el("span", { class: "meter", "aria-hidden": "true" }, bar),
      el("span", {}, percent(filled)),
    ),
    range.map((value) =>
      el(
        "td",
        { class: "number" },
        value === null || value === undefined
          ? ""
          : typeof value === "string"
            ? value
            : count(value),
      ),
    ),
    el("td", { class: "values" }, values(column)),
  );
}

function values(column) {
  const numeric = column.type === "integer" || column.type === "number";
  if (numeric && column.bars && (!column.exact || column.distinct > FEW)) return bars(column.bars);
  const share = ([, times]) => times / Math.max(column.count, 1);
  const [most] = column.values;
  if (most === undefined) return [];
  if (share(most) < TELLING) {
    return [
      el(
        "span",
        { class: "many" },
        column.exact ? `${count(column.distinct)} different` : "many different",
      ),
    ];
  }
  return column.values
    .slice(0, TOP)
    .map((pair) =>
      el(
        "span",
        { class: "value", title: `${pair[0]}: ${count(pair[1])}` },
        `${pair[0]} `,
        el("b", {}, percent(share(pair))),
      ),
    );
}

function bars({ counts: all, start, width }) {
  // The range has grown by doubling, so there may be nothing yet at its ends.
  const first = all.findIndex((times) => times > 0);
  const counts = all.slice(first, all.findLastIndex((times) => times > 0) + 1);
  const highest = Math.max(...counts, 1);
  const from = start + first * width;
  const label = `Histogram from ${count(from)} to ${count(from + width * counts.length)}`;
  return [
    svg(
      "svg",
      {
        class: "spark",
        viewBox: `0 0 ${counts.length * 4} 20`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": label,
      },
      counts.map((times, at) => {
        const height = times === 0 ? 0 : Math.max(1, (19 * times) / highest);
        return svg("rect", {
          x: at * 4,
          y: (20 - height).toFixed(2),
          width: 3.2,
          height: height.toFixed(2),
        });
      }),
    ),
  ];
}

/** 0.9996 is not all, and 0.0004 is not nothing. */
function percent(share) {
  if (share > 0.99 && share < 1) return "99 %";
  if (share > 0 && share < 0.01) return "<1 %";
  return `${Math.round(share * 100)} %`;
}
