// One card's operation: from the request to the end, over reloads. It holds what has to be
// remembered (`record`), what is known (`view`) and what was sent (`wire`), and dispatches "change".

import { follow } from "./follow.js";
import { Refused, bearer, insist } from "./http.js";
import { answered, ended, reduce, unknown } from "./model.js";
import * as store from "./store.js";
import { declaration, missing, send, typeOf } from "./upload.js";
import { Wire } from "./wire.js";

const SAVE_WIRE_EVERY = 1000; // milliseconds

export class Operation extends EventTarget {
  way = ""; // how it is being followed, in words
  waiting = ""; // why it is not accepted yet
  orphaned = false; // whether its worker was killed, and nobody has taken over yet
  gone = null; // why the server does not know it any more
  problem = null; // what a request about it was refused with, though it stands
  result; // where it does not come with the state
  #file;
  #offset = null; // where the next bytes go, once the server has said so
  #mode;
  #stop = new AbortController(); // ends all that is under way
  #sending = new AbortController(); // ends the upload alone
  #unfollow = null;
  #saving = null;

  constructor(record, file = null) {
    super();
    this.record = record;
    this.view = unknown();
    this.wire = new Wire(store.wire(record.key));
    this.wire.changed = (entry, isNew) => {
      this.#saveWire();
      this.dispatchEvent(new CustomEvent("wire", { detail: { entry, isNew } }));
    };
    this.#file = file;
  }

  /** An operation of a task that takes JSON. */
  static ofTask(task, title, input) {
    return new Operation({
      ...fresh(title, "task"),
      request: { path: `/tasks/${task}`, json: input },
    });
  }

  /** An operation of an upload. */
  static ofFile(file, pace) {
    const kind = typeOf(file).startsWith("image/") ? "photo" : "table";
    const record = {
      ...fresh(file.name, kind),
      upload: { pace, name: file.name, size: file.size, done: false },
    };
    return new Operation(record, file);
  }

  /** The operation that does a failed one's work again: it is accepted already. */
  static ofRedrive(other, body, took) {
    const { title, kind, upload, request } = other.record;
    return new Operation({ ...fresh(title, kind), upload, request, ...accepted(body, took) });
  }

  get id() {
    return this.record.id;
  }

  get ended() {
    return ended(this.view) || this.gone !== null;
  }

  /** What the card says: the lifecycle's words, and what is before and beside it. */
  get state() {
    const { record, view } = this;
    if (record.refused) return "refused";
    if (this.gone) return "gone";
    if (ended(view)) return view.status;
    if (!record.id) return this.#lacksFile ? "needs-file" : "asking";
    if (view.cancelRequested) return "cancelling";
    if (record.upload && !record.upload.done) return this.#lacksFile ? "needs-file" : "sending";
    if (view.status === "queued" && view.attempt > 0) return "retrying";
    return view.status ?? "queued";
  }

  get #lacksFile() {
    return Boolean(this.record.upload) && !this.record.upload.done && this.#file === null;
  }

  /** Begin, or go on where the page was left. `mode`: the way to follow. */
  start(mode) {
    this.#mode = mode;
    this.save();
    this.#run(async () => {
      if (this.record.refused) return;
      if (this.record.id) await this.#look();
      else await this.#ask();
      this.#follow();
      if (this.record.upload && !this.record.upload.done) await this.#send();
    });
  }

  /** Follow in another way from here on. */
  setMode(mode) {
    if (mode === this.#mode) return;
    this.#mode = mode;
    if (this.#unfollow) this.#follow();
  }

  /** Go on with a file that was being sent when the page was left. */
  resumeWith(file) {
    const { upload } = this.record;
    if (file.name !== upload.name || file.size !== upload.size) return false;
    this.#file = file;
    this.#offset = null;
    this.#run(() => this.#send());
    this.#tell();
    return true;
  }

  async cancel() {
    await this.#run(async () => {
      const options = {
        method: "POST",
        path: this.record.links.cancel,
        headers: bearer(this.record.token),
      };
      const answer = await insist(this.wire, options);
      this.#changed(answered(this.view, answer.body));
    });
  }

  /** Have a dead letter's work done again; the new operation. */
  async redrive() {
    const options = {
      method: "POST",
      path: `${this.record.links.self}/redrive`,
      headers: bearer(this.record.token),
    };
    const answer = await insist(this.wire, options);
    this.#changed({ ...this.view, deadLetter: false });
    return Operation.ofRedrive(this, answer.body, answer.took);
  }

  /** This page has had its worker killed. */
  orphan(pid) {
    this.orphaned = true;
    this.wire.mark(`The worker, process ${pid}, was killed.`);
    this.#tell();
  }

  /** Forget it, here and at the server. */
  async remove() {
    this.#stop.abort();
    store.drop(this.record.key);
    clearTimeout(this.#saving);
    this.#saving = null;
    if (this.id && ended(this.view)) {
      const headers = bearer(this.record.token);
      // Nobody waits for it, and what is left over is forgotten by itself in time.
      await fetch(this.record.links.self, { method: "DELETE", headers, keepalive: true }).catch(
        () => {},
      );
    }
  }

  /** Stop all requests, as when another tab has removed it. */
  abandon() {
    this.#stop.abort();
    clearTimeout(this.#saving);
    this.#saving = null;
  }

  save() {
    store.saveCard(this.record);
  }

  saveWireNow() {
    if (this.#saving === null) return;
    clearTimeout(this.#saving);
    this.#saving = null;
    store.saveWire(this.record.key, this.wire.entries);
  }

  #saveWire() {
    if (this.#stop.signal.aborted) return;
    this.#saving ??= setTimeout(() => {
      this.saveWireNow();
    }, SAVE_WIRE_EVERY);
  }

  async #run(steps) {
    try {
      await steps();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refused)) throw error;
      if (!this.record.id) {
        this.record.refused = { status: error.status, ...error.problem };
      } else if (!this.ended) {
        this.problem = error; // the operation itself stands; this request of it was refused
      }
      this.save();
      this.#tell();
    }
  }

  /** How it stands after a reload: most have ended, and need not be followed. */
  async #look() {
    const options = {
      path: this.record.links.self,
      headers: bearer(this.record.token),
      signal: this.#stop.signal,
    };
    try {
      this.#changed(answered(this.view, (await insist(this.wire, options)).body));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.gone = error;
      this.#tell();
    }
  }

  /** Submit, or declare: once and for all, whatever happens on the way. */
  async #ask() {
    const { record } = this;
    let { request: asked } = record;
    if (!asked) {
      if (this.#file === null)
        throw new DOMException("The file is gone with the page.", "AbortError");
      asked = { path: "/uploads", json: await declaration(this.#file, record.upload.pace) };
    }
    const answer = await insist(
      this.wire,
      {
        method: "POST",
        ...asked,
        // The same key for every try: the server accepts it once, and repeats its answer.
        headers: { "Idempotency-Key": `"${record.key}"` },
        signal: this.#stop.signal,
      },
      (why) => {
        this.waiting = why;
        this.#tell();
      },
    );
    Object.assign(record, accepted(answer.body, answer.took));
    if (record.upload) {
      record.upload.url = answer.body.upload.url;
      this.#offset = answer.body.upload.offset;
    }
    this.waiting = "";
    this.save();
    this.#changed(
      reduce(
        this.view,
        "status",
        { progress: null, part_count: 0, attempt: 0, ...answer.body },
        null,
      ),
    );
  }

  async #send() {
    const { record } = this;
    if (this.ended) return;
    const { upload, token } = record;
    const signal = AbortSignal.any([this.#stop.signal, this.#sending.signal]);
    if (this.#offset === null) {
      this.#offset = await missing(this.wire, upload, token, signal);
      upload.sent = this.#offset;
      this.#tell();
      // Without the file there is nothing to send; but if all is there, saying so again ends it.
      if (this.#file === null && this.#offset < upload.size) return;
    }
    const file = this.#file ?? new File([], upload.name);
    const moved = (offset) => {
      upload.sent = offset;
      this.#tell();
    };
    await send(this.wire, { ...upload, offset: this.#offset }, token, file, moved, signal);
    upload.done = true;
    this.#file = null;
    this.save();
    this.#tell();
  }

  #follow() {
    this.#unfollow?.abort();
    if (this.ended) return;
    const stop = new AbortController();
    this.#unfollow = stop;
    const signal = AbortSignal.any([stop.signal, this.#stop.signal]);
    const known = () => ({ ...this.record, view: this.view, ended: this.ended });
    const on = {
      message: (kind, data, position) => this.#changed(reduce(this.view, kind, data, position)),
      answer: (body) => this.#changed(answered(this.view, body)),
      gone: (error) => {
        this.gone = error;
        this.#tell();
      },
      way: (text) => {
        this.way = text;
        this.#tell();
      },
    };
    follow(this.#mode, known, this.wire, on, signal).then(() => {
      if (this.#unfollow === stop) this.way = "";
      this.#tell();
    });
  }

  #changed(view) {
    if (view === this.view) return;
    const before = this.view;
    this.view = view;
    if (view.status !== before.status || view.attempt !== before.attempt) this.orphaned = false;
    const { upload } = this.record;
    if (upload && !upload.done && view.attempt > 0) {
      upload.done = true; // it was started, so all the bytes are there
      this.save();
    }
    if (ended(view) && !ended(before)) {
      this.#sending.abort();
      this.#fetchResult();
    }
    this.#tell();
  }

  /** A large result does not come with the state, but is fetched for itself. */
  async #fetchResult() {
    const { view, record } = this;
    if (view.result !== undefined || !view.resultSize) return;
    await this.#run(async () => {
      const options = {
        path: record.links.result,
        headers: bearer(record.token),
        signal: this.#stop.signal,
      };
      this.result = (await insist(this.wire, options)).body;
      this.#tell();
    });
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

function fresh(title, kind) {
  return { key: crypto.randomUUID(), at: Date.now(), title, kind };
}

function accepted(body, took) {
  return { id: body.id, token: body.token, links: body.links, took };
}
