// Making elements, and saying sizes and times for people. Text is always set as text, never as
// HTML: names of files and answers of servers are other people's words.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("button", { class: "quiet", type: "button", onclick }, "Cancel")`. */
export function el(tag, properties = {}, ...children) {
  return furnish(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), properties, children);
}

function furnish(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets the text only where it differs, so that nothing is read out twice or selected away. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows or hides. */
export function show(element, shown) {
  element.hidden = !shown;
}

const PATHS = {
  photo: "M4 6h16v12H4z M4 15l4.5-4 4 3.5 3-2.5 4.5 4 M15.5 9.5h.01",
  table: "M4 5h16v14H4z M4 10h16 M10 10v9 M4 14.5h16",
  task: "M9 7l-5 5 5 5 M15 7l5 5-5 5",
  copy: "M9 9h10v11H9z M15 9V4H5v11h4",
  done: "M5 12.5l4.5 4.5L19 7.5",
  close: "M7 7l10 10 M17 7L7 17",
  chevron: "M8 10l4 4 4-4",
};

/** One of our few line drawings; it says nothing to a screen reader. */
export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" },
    svg("path", { d: PATHS[name] }),
  );
}

const number = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", {
  maximumSignificantDigits: 4,
  roundingPriority: "morePrecision",
  maximumFractionDigits: 1,
});

/** 1234567 as 1,234,567; a fraction to four digits. */
export function count(value) {
  return Number.isInteger(value) ? number.format(value) : short.format(value);
}

/** Bytes for people. */
export function bytes(size) {
  if (size < 1000) return `${size} B`;
  if (size < 1e6) return `${(size / 1e3).toFixed(size < 1e4 ? 1 : 0)} kB`;
  return `${(size / 1e6).toFixed(size < 1e7 ? 1 : 0)} MB`;
}

/** Milliseconds for people. */
export function duration(milliseconds) {
  if (milliseconds < 1) return "under 1 ms";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60_000)} min ${Math.round((milliseconds % 60_000) / 1000)} s`;
}

/** "1 photo", "2 photos". */
export function plural(amount, noun) {
  return `${count(amount)} ${noun}${amount === 1 ? "" : "s"}`;
}
