/** Photos on their way: chosen, sent, worked on, until they stand with their question. */

import type { Client, Upload } from "ringback";
import { failureOf } from "./outbox.js";
import type { Failure } from "./state/outbox.js";
import { Store } from "./state/store.js";
import type { AskApi, Photo } from "./types.js";

/** One photo of a question. */
export interface Sending {
  readonly key: string;
  readonly question: string;
  readonly file: File;
  /** A `blob:` URL. */
  readonly preview: string;
  /** null: its question is not published yet. */
  readonly upload: Upload<Photo> | null;
  /** Whether the server has all of its bytes: until then nothing but this page has the file. */
  readonly isSent: boolean;
  readonly failure: Failure | null;
}

export class Uploads {
  readonly list = new Store<readonly Sending[]>([]);
  readonly #client: Client<AskApi>;

  constructor(client: Client<AskApi>) {
    this.#client = client;
  }

  /** Photos for a question that is not published yet: `start` sends them. */
  hold(question: string, files: readonly File[]): void {
    const more = files.map((file) => ({
      key: crypto.randomUUID(),
      question,
      file,
      preview: URL.createObjectURL(file),
      upload: null,
      isSent: false,
      failure: null,
    }));
    this.list.update((list) => [...list, ...more]);
  }

  /** The question got another id. */
  move(from: string, to: string): void {
    this.list.update((list) =>
      list.map((each) => (each.question === from ? { ...each, question: to } : each)),
    );
  }

  /** Send what waits for this question. */
  start(question: string): void {
    for (const each of this.list.get()) {
      if (each.question === question && each.upload === null) void this.#send(each);
    }
  }

  again(key: string): void {
    const sending = this.list.get().find((each) => each.key === key);
    if (sending !== undefined) void this.#send(sending);
  }

  /** Leave it, whatever became of it. */
  remove(key: string): void {
    const sending = this.list.get().find((each) => each.key === key);
    if (sending === undefined) return;
    if (sending.upload?.done === false) sending.upload.cancel().catch(() => {});
    URL.revokeObjectURL(sending.preview);
    this.list.update((list) => list.filter((each) => each.key !== key));
  }

  /** Leave all photos of a question that will not be asked. */
  drop(question: string): void {
    for (const { key, question: its } of this.list.get()) if (its === question) this.remove(key);
  }

  async #send({ key, question, file }: Sending): Promise<void> {
    try {
      const upload = this.#client.upload<Photo>(file, {
        name: `photos/${question}/${file.name}`,
        type: file.type,
      });
      this.#change(key, { upload, isSent: false, failure: null });
      await upload.uploaded;
      this.#change(key, { isSent: true });
      await upload.result();
      this.remove(key);
    } catch (error) {
      this.#change(key, { failure: failureOf(error, Date.now()) });
    }
  }

  #change(key: string, change: Partial<Sending>): void {
    this.list.update((list) =>
      list.map((each) => (each.key === key ? { ...each, ...change } : each)),
    );
  }
}
