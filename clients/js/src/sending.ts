/** An upload as the page sees it: an operation whose bytes come first. */

import { asError, local } from "./errors.js";
import type { Http } from "./http.js";
import { freshKey } from "./key.js";
import { kit } from "./kit.js";
import type { Link } from "./link.js";
import { FollowedOperation } from "./operation.js";
import type { Upload, UploadOptions } from "./types.js";

/** Sends a file, and follows the work on it. */
export class Sending<R, P> extends FollowedOperation<R, P> implements Upload<R, P> {
  sent = 0;
  readonly size: number;
  readonly uploaded: Promise<void>;
  readonly #stop = new AbortController();

  constructor(link: Link, http: Http, file: Blob, options: UploadOptions) {
    super(link, http, options.resume?.id ?? "", options.resume?.token);
    this.size = file.size;
    const { signal } = options;
    const stop = (): void => this.#stop.abort(signal?.reason);
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
    this.uploaded = import("./upload.js").then(({ send }) =>
      send(
        kit,
        http,
        freshKey(),
        file,
        { ...options, signal: this.#stop.signal },
        {
          begun: (_, token, state) => {
            if (state) this.accept(state, token);
            else this.follow();
          },
          sent: (bytes) => {
            this.sent = bytes;
            this.changed();
          },
        },
      ),
    );
    this.uploaded.catch((error: unknown) => {
      const failure = asError(error);
      // What has ended on the server tells of that itself.
      if (failure.status !== 410 || !this.id) this.fail(failure);
    });
  }

  override async cancel(): Promise<void> {
    if (this.id) await super.cancel();
    else this.close();
  }

  override close(): void {
    this.#stop.abort(local("closed", "The upload was closed."));
    super.close();
  }
}
