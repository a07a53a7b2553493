/** Sending files: how many bytes are there, then how the work on them goes. */

import { useMemo, useSyncExternalStore } from "react";
import { freshKey } from "../key.js";
import type { Client, Upload, UploadOptions } from "../types.js";
import { type OperationView, useOperation } from "./operation.js";
import { useClient } from "./provider.js";
import { Store } from "./store.js";

/** What {@link useUpload} gives. Its functions stay the same over renders. */
export interface UploadView<R = unknown, P = unknown> extends OperationView<R, P> {
  readonly operation: Upload<R, P> | null;
  /**
   * Send a file, and have it worked on. While a file is being sent, the same one again gives what
   * is under way.
   */
  upload(file: Blob, options?: Omit<UploadOptions, "signal">): Upload<R, P>;
  /**
   * Go on with what broke off, from the bytes that the server has; send it again if the work on it
   * failed. Null if neither did.
   */
  retry(): Upload<R, P> | null;
  /**
   * Stop sending: that is no error. What came stays on the server for a while: `retry` goes on
   * with it.
   */
  abort(): void;
  /** Forget it, for another. One that is being sent goes on unseen. */
  reset(): void;
  /** Bytes are on their way. */
  readonly sending: boolean;
  /** Bytes that the server has. */
  readonly sent: number;
  /** Bytes of the file. */
  readonly size: number;
}

interface State<R, P> {
  readonly current: Upload<R, P> | null;
  readonly sending: boolean;
  /** It ended before the server had all bytes. */
  readonly broken: boolean;
  readonly aborted: boolean;
}

const NOTHING = Object.freeze({ current: null, sending: false, broken: false, aborted: false });

class Uploader<R, P> {
  readonly state = new Store<State<R, P>>(NOTHING);
  readonly #client: Client;
  #file: Blob | null = null;
  #options: UploadOptions = {};
  #controller: AbortController | null = null;

  constructor(client: Client) {
    this.#client = client;
  }

  readonly upload = (file: Blob, options: UploadOptions = {}): Upload<R, P> => {
    const { current, sending } = this.state.get();
    if (current && sending && file === this.#file) return current;
    this.#file = file;
    this.#options = { idempotencyKey: freshKey(), ...options };
    return this.#send(file, this.#options);
  };

  readonly retry = (): Upload<R, P> | null => {
    const { current, broken } = this.state.get();
    const file = this.#file;
    if (!current || !file) return null;
    const { id, token, status } = current;
    if (status === "failed" || status === "cancelled") {
      // What it went on with has failed, too.
      const { resume: _, ...options } = this.#options;
      return this.upload(file, { ...options, idempotencyKey: freshKey() });
    }
    if (!broken) return null;
    return this.#send(
      file,
      id && token ? { ...this.#options, resume: { id, token } } : this.#options,
    );
  };

  readonly abort = (): void => this.#controller?.abort();

  readonly reset = (): void => {
    this.#file = null;
    this.#controller = null;
    this.state.set(NOTHING);
  };

  #send(file: Blob, options: UploadOptions): Upload<R, P> {
    const controller = new AbortController();
    const { signal } = controller;
    this.#controller = controller;
    const current = this.#client.upload<R, P>(file, { ...options, signal });
    this.state.set({ current, sending: true, broken: false, aborted: false });
    const settle = (broken: boolean): void => {
      if (this.state.get().current !== current) return;
      this.state.set({ current, sending: false, broken, aborted: broken && signal.aborted });
    };
    // Why it broke off is its operation's `failure`, or what the server says of it.
    current.uploaded.then(
      () => settle(false),
      () => settle(true),
    );
    return current;
  }
}

/**
 * Upload from a component, one file at a time; use the client for several, or a component each.
 * Unmounting stops nothing.
 */
export function useUpload<R = unknown, P = unknown>(): UploadView<R, P> {
  const client = useClient();
  const uploader = useMemo(() => new Uploader<R, P>(client), [client]);
  const { listen, get } = uploader.state;
  const state = useSyncExternalStore(listen, get, () => NOTHING);
  const { current, sending, aborted } = state;
  const view = useOperation<R, P>(current);
  const [onChange, sentNow] = useMemo(
    () => [
      (listener: () => void) => current?.onChange(listener) ?? (() => {}),
      () => current?.sent ?? 0,
    ],
    [current],
  );
  const sent = useSyncExternalStore(onChange, sentNow, () => 0);
  return useMemo(() => {
    const { upload, retry, abort, reset } = uploader;
    return {
      ...view,
      upload,
      retry,
      abort,
      reset,
      operation: current,
      sending,
      sent,
      size: current?.size ?? 0,
      error: aborted ? null : view.error,
    };
  }, [uploader, view, current, sending, aborted, sent]);
}
