// A photo as it is being developed: the sharpest thumbnail so far, the row of them, the palette and
// the histogram. All of it comes in parts; the result adds what was said of the file.

import { bytes, count, el, setText, show, svg } from "./dom.js";

const EXPECTED = ["64px", "128px", "256px", "512px", "1024px"];

export class PhotoView {
  #preview = el("img", { class: "photo-preview", alt: "", hidden: true });
  #empty = el("div", { class: "photo-empty", "aria-hidden": "true" });
  #strip = el("ul", { class: "strip", "aria-label": "Thumbnails" });
  #palette = el("ul", { class: "palette", "aria-label": "Palette", hidden: true });
  #histogram = svg("svg", {
    class: "histogram",
    viewBox: "0 0 320 64",
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": "Histogram of red, green and blue",
  });
  #facts = el("p", { class: "facts" });
  #shown = new Map();
  #holes = [];

  constructor(title) {
    this.#preview.alt = `Thumbnail of ${title}`;
    this.element = el(
      "div",
      { class: "photo" },
      el("div", { class: "photo-frame" }, this.#empty, this.#preview),
      el("div", { class: "photo-side" }, this.#strip, this.#palette, this.#histogram, this.#facts),
    );
    this.#holes = EXPECTED.map((step) =>
      el(
        "li",
        { class: "hole", "aria-hidden": "true" },
        el("i"),
        el("span", {}, step.replace("px", "")),
      ),
    );
    this.#strip.append(...this.#holes);
    show(this.#histogram, false);
  }

  update({ view }) {
    if (view.partCount === 0 && this.#shown.size > 0) this.#reset();
    for (const part of view.parts) {
      if (part && !this.#shown.has(part.index)) this.#add(part);
    }
    const { result } = view;
    if (result) {
      setText(
        this.#facts,
        `${count(result.width)} × ${count(result.height)} ${result.format}, ${bytes(result.bytes)}; ${result.thumbnails.length} thumbnails, ${bytes(result.thumbnails.reduce((sum, thumbnail) => sum + thumbnail.bytes, 0))} in all`,
      );
      for (const hole of this.#holes.splice(0)) hole.remove();
    }
  }

  #reset() {
    this.#shown.clear();
    this.#strip.replaceChildren(...this.#holes);
    show(this.#preview, false);
    show(this.#palette, false);
    show(this.#histogram, false);
  }

  #add({ index, attempt, data }) {
    this.#shown.set(index, data);
    if (data.image) this.#thumbnail(data, attempt);
    if (data.palette) this.#swatches(data.palette);
    if (data.histogram) this.#bars(data.histogram);
  }

  #thumbnail(data, attempt) {
    const label = data.step.replace("px", "");
    const item = el(
      "li",
      {
        class: "thumb",
        "data-attempt": attempt,
        title: `${data.width} × ${data.height}, ${bytes(data.bytes)}, made in attempt ${attempt}`,
      },
      el("img", { src: data.image, alt: `${data.width} by ${data.height} pixels` }),
      el("span", {}, label),
    );
    const hole = this.#holes.shift();
    if (hole) hole.replaceWith(item);
    else this.#strip.append(item);
    const before = item.previousElementSibling;
    if (before?.dataset.attempt && Number(before.dataset.attempt) < attempt)
      item.classList.add("next-attempt");
    this.#preview.src = data.image;
    show(this.#preview, true);
    show(this.#empty, false);
  }

  #swatches(palette) {
    this.#palette.replaceChildren(
      ...palette.map(({ hex, share }) => {
        const swatch = el(
          "li",
          { title: `${hex}, ${Math.round(share * 100)} %` },
          el("span", { class: "off-screen" }, `${hex}, ${Math.round(share * 100)} %`),
        );
        swatch.style.background = hex;
        swatch.style.flexGrow = String(Math.max(share, 0.04));
        return swatch;
      }),
    );
    show(this.#palette, true);
  }

  #bars(histogram) {
    this.#histogram.replaceChildren(
      ...["red", "green", "blue"].map((channel) => {
        const levels = histogram[channel];
        const step = 320 / (levels.length - 1);
        // The square root, so that one flat sky does not push all the rest to the ground.
        const points = levels.map(
          (level, at) =>
            `${(at * step).toFixed(1)},${(64 - 62 * Math.sqrt(level / 1000)).toFixed(1)}`,
        );
        return svg("polygon", { class: channel, points: `0,64 ${points.join(" ")} 320,64` });
      }),
    );
    this.#histogram.removeAttribute("hidden");
  }
}
