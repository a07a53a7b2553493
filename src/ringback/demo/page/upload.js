// Sending a file: declare it, which is acknowledged at once; then its bytes, a piece at a time, each
// saying where it belongs. After a break the server is asked how far it is, and the rest is sent.

import { NoAnswer, Refused, bearer, insist, pause, request } from "./http.js";
import { link } from "./link.js";

const LEAST_PIECE = 1 << 20;
const MOST_PIECE = 32 << 20; // bytes a broken connection costs at most
const HASHED = 64 << 20; // a browser hashes only what it holds in memory whole
const BUSY_PAUSE = 500; // milliseconds, where the server says nothing of it

/** The media type of a file: systems do not agree on that of CSV, or say nothing. */
export function typeOf(file) {
  const name = file.name.toLowerCase();
  if (name.endsWith(".csv")) return "text/csv";
  if (name.endsWith(".tsv") || name.endsWith(".tab")) return "text/tab-separated-values";
  return file.type || "application/octet-stream";
}

/** The body of `POST /uploads`. Pace and kind go into the name: a declaration has no other input. */
export async function declaration(file, pace) {
  const type = typeOf(file);
  const folder = type.startsWith("image/") ? "photos" : "tables";
  // A name is a path of segments, so these two have no place in one.
  const name = file.name.replaceAll(/[/\\]/g, "_");
  const declared = { name: `${folder}/${pace}s/${name}`, size: file.size, type };
  if (file.size <= HASHED && crypto.subtle) {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    declared.sha256 = Array.from(new Uint8Array(digest), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
  }
  return declared;
}

/** Send a file's bytes from `upload.offset` on; `moved(offset)` tells how far it is. */
export async function send(wire, upload, token, file, moved, signal) {
  const piece = Math.min(MOST_PIECE, Math.max(LEAST_PIECE, Math.ceil(upload.size / 16)));
  let { offset } = upload;
  do {
    await link.up();
    const data = file.slice(offset, offset + piece);
    try {
      await request(wire, {
        method: "PUT",
        path: upload.url,
        headers: { ...bearer(token), "Upload-Offset": String(offset) },
        data,
        file: { name: upload.name, offset, total: upload.size },
        signal,
      });
      offset += data.size;
    } catch (error) {
      if (error instanceof NoAnswer) {
        offset = await missing(wire, upload, token, signal);
      } else if (
        error instanceof Refused &&
        Number.isInteger(error.problem.offset) &&
        error.status === 409
      ) {
        offset = error.problem.offset; // the server knows better
      } else if (error instanceof Refused && [409, 429, 503].includes(error.status)) {
        await pause(error.retryAfter === null ? BUSY_PAUSE : error.retryAfter * 1000, signal);
        offset = await missing(wire, upload, token, signal);
      } else {
        throw error;
      }
    }
    moved(offset);
  } while (offset < upload.size);
}

/** Where the next bytes go. */
export async function missing(wire, upload, token, signal) {
  const answer = await insist(wire, { path: upload.url, headers: bearer(token), signal });
  return answer.body?.offset ?? Number(answer.headers.get("Upload-Offset") ?? 0);
}
