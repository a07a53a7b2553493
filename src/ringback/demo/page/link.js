// Whether the server answers. Whoever gets no answer says so here, once for all cards, and waits
// until it is up again: one probe knocks with growing pauses, instead of fifty cards at once.

const FIRST_PAUSE = 400; // milliseconds: a restart takes about as long
const LONGEST_PAUSE = 8000;

class Link extends EventTarget {
  state = "up";
  nextTry = null; // when the probe knocks again (performance.now), while the link is down
  #waiting = [];
  #wake = null;

  /** Settles once the server is believed to answer. */
  up() {
    return this.state === "up"
      ? Promise.resolve()
      : new Promise((done) => this.#waiting.push(done));
  }

  /** A request got no answer. */
  failed() {
    if (this.state === "down") return;
    this.#become("down");
    this.#probe();
  }

  /** A stream broke: perhaps only that one, so the server is asked before it is held to be away. */
  async suspect() {
    if (this.state === "up" && !(await answers())) this.failed();
  }

  /** Knock now, without waiting for the pause to end. */
  hurry() {
    this.#wake?.();
  }

  async #probe() {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      // Not all the pages that were cut off shall come back at the same moment.
      const wait = pause * (0.5 + Math.random() / 2);
      this.nextTry = performance.now() + wait;
      this.dispatchEvent(new Event("change"));
      await new Promise((done) => {
        this.#wake = done;
        setTimeout(done, wait);
      });
      this.nextTry = null;
      if (await answers()) break;
    }
    this.#become("up");
    for (const done of this.#waiting.splice(0)) done();
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

async function answers() {
  try {
    return (await fetch("/healthz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

export const link = new Link();

addEventListener("online", () => link.hurry());
