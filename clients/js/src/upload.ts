/**
 * Sending a file: all of it to where the server says, or in pieces that go on after cuts. Loaded
 * when the first file is sent.
 */

import type { Http } from "./http.js";
import type { Kit } from "./kit.js";
import type { FollowedOperation } from "./operation.js";
import { put } from "./put.js";
import type { OperationState, Traffic, UploadOptions } from "./types.js";

/** Bytes of a piece: at first, at least, at most. One that is quick makes the next larger. */
const PIECE = { first: 1 << 20, least: 1 << 16, most: 1 << 24 } as const;
/** Milliseconds within which a piece is quick, and until one is given up. */
const QUICK = 1_000;
const PATIENCE = 120_000;
/** Times that all of it is sent at once, which begins anew after a cut; then it goes in pieces. */
const AT_ONCE = 3;
/** Of offset-mismatch, upload-busy and upload-stalled, whose names may be lost with the answer. */
const GO_ON = [408, 409];

/** What of the file's operation is needed here. */
type Sending<R, P> = FollowedOperation<R, P> & { sent: number };

/** Send a file, and have its operation followed; resolves when the server has all of it. */
export async function upload<R, P>(
  kit: Kit,
  http: Http,
  operation: Sending<R, P>,
  file: Blob,
  options: UploadOptions,
  traffic?: (traffic: Traffic) => void,
): Promise<void> {
  const { asError, closed } = kit;
  const { signal } = options;
  const stop = new AbortController();
  const halt = (): void => stop.abort(signal?.reason);
  signal?.addEventListener("abort", halt);
  if (signal?.aborted || operation.failure) halt();
  const over = new AbortController();
  const unlisten = operation.onChange(() => {
    const { failure } = operation;
    if (failure?.code === "closed") stop.abort(failure);
    else if (operation.done && !failure) over.abort();
  });
  const close = operation.close.bind(operation);
  operation.close = () => {
    stop.abort(closed());
    close();
  };
  try {
    await send(
      kit,
      http,
      file,
      { ...options, signal: stop.signal },
      {
        begun(token, state) {
          if (state) operation.accept(state as OperationState<R, P>, token);
          else operation.follow();
        },
        sent(bytes) {
          operation.sent = bytes;
          operation.changed();
        },
        over: over.signal,
        traffic,
      },
    );
  } catch (error) {
    const failure = asError(error);
    // What has ended on the server tells of that itself.
    if (failure.status !== 410 || !operation.id) operation.fail(failure);
    throw error;
  } finally {
    signal?.removeEventListener("abort", halt);
    unlisten();
  }
}

/** What sending tells of. */
interface Told {
  /** The server knows the upload; without a state it did before. */
  begun(token?: string, state?: OperationState<unknown, unknown>): void;
  /** So many bytes are there. */
  sent(bytes: number): void;
  /** It has ended on the server: whatever is still sent, nobody looks at. */
  over: AbortSignal;
  traffic: ((traffic: Traffic) => void) | undefined;
}

/** Of an upload, what says how to go on. */
interface Standing {
  readonly offset: number;
  readonly complete?: boolean;
  /** Where all of it can be put. */
  readonly signed_url?: string;
}

async function send(
  { pause, passes, asError, freshKey }: Kit,
  http: Http,
  file: Blob,
  options: UploadOptions,
  told: Told,
): Promise<void> {
  const { resume, signal } = options;
  let { id, token } = resume ?? { id: "", token: "" };
  let offset = 0;
  let complete = false;
  let url: string | undefined;
  if (resume) {
    told.begun();
    await ask();
  } else {
    const name = options.name ?? (file instanceof File ? file.name : "");
    const type = options.type ?? file.type;
    const json = { name, size: file.size, ...(type && { type }) };
    const headers = { "Idempotency-Key": JSON.stringify(options.idempotencyKey ?? freshKey()) };
    type Declared = OperationState<unknown, unknown> & {
      token: string;
      upload: Standing;
    };
    const request = { method: "POST", json, headers, signal };
    const { data } = await http.persist<Declared>("uploads", request);
    const { upload, token: own, ...state } = data;
    ({ id } = data);
    token = own;
    stands(upload);
    told.begun(token, state);
  }
  told.sent(offset);
  for (let failures = 0; url && !offset && !complete && failures < AT_ONCE; failures++) {
    const status = await put(url, file, told, signal, told.over);
    // Whoever keeps it tells the server.
    if (status >= 200 && status < 300) return told.sent(file.size);
    signal?.throwIfAborted();
    if (!told.over.aborted) {
      told.sent(0);
      await pause(Math.random() * 2000 * 2 ** failures, signal);
    }
    await ask(); // the address may have expired
    told.sent(offset);
  }
  let most: number = PIECE.most;
  for (let piece: number = PIECE.first, failures = 0; !complete; ) {
    const end = Math.min(file.size, offset + piece);
    const begun = Date.now();
    const headers = {
      "Upload-Offset": String(offset),
      "Upload-Complete": end === file.size ? "?1" : "?0",
    };
    try {
      const body = file.slice(offset, end);
      const request = { method: "PATCH", body, headers, signal, token, patience: PATIENCE };
      heard((await http.request(`uploads/${id}`, request)).headers);
      failures = 0;
      if (Date.now() - begun < QUICK) piece = Math.min(most, piece * 2);
    } catch (caught) {
      if (signal?.aborted) throw caught;
      const error = asError(caught);
      // What stands before the server may take less at once: API Gateway and Lambda some 4 MB.
      const isLarge = error.status === 413 && piece > PIECE.least;
      const again: boolean = isLarge || GO_ON.includes(error.status) || passes(error);
      if (!again) throw error;
      piece = Math.max(PIECE.least, piece / 2);
      if (isLarge) most = piece;
      const seconds = error.retryAfter ?? Math.min(30, 2 ** failures++) * Math.random();
      if (!isLarge && error.code !== "offset-mismatch") await pause(seconds * 1000, signal);
      await look();
    }
    told.sent(offset);
  }

  /** How it stands, and where to put it. */
  async function ask(): Promise<void> {
    stands((await http.persist<Standing>(`uploads/${id}`, { signal, token })).data);
  }

  function stands(standing: Standing): void {
    ({ offset, complete = false, signed_url: url } = standing);
  }

  /** Where to go on. */
  async function look(): Promise<void> {
    const request = { method: "HEAD", signal, token };
    heard((await http.persist(`uploads/${id}`, request)).headers);
  }

  function heard(headers: Headers): void {
    offset = Number(headers.get("Upload-Offset") ?? offset);
    complete = headers.get("Upload-Complete") === "?1";
  }
}
