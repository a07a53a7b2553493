// What a page loads before anything happens: the served core and all it imports at once, each
// file minified and compressed. Fails where that is more than was promised.

import { basename } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { served } from "./bundles.mjs";

/** Bytes, of `gzip -9`: the README promises less than 8 kB. */
const LIMIT = 8192;

const { metafile, outputFiles } = await build({ ...served("size"), write: false });
const compressed = new Map(
  outputFiles.map((file) => [
    basename(file.path),
    gzipSync(file.contents, { level: 9 }).byteLength,
  ]),
);

const first = new Set();
function visit(path) {
  if (first.has(path)) return;
  first.add(path);
  for (const imported of metafile.outputs[path].imports) {
    if (imported.kind === "import-statement" && !imported.external) visit(imported.path);
  }
}
visit("size/ringback.js");

let total = 0;
for (const path of Object.keys(metafile.outputs).filter((path) => path.endsWith(".js"))) {
  const bytes = compressed.get(basename(path));
  if (first.has(path)) total += bytes;
  console.log(`${bytes} B ${basename(path)}${first.has(path) ? "" : " (on first use)"}`);
}
console.log(`core: ${total} of ${LIMIT} B, minified and gzipped`);
if (total >= LIMIT) {
  console.error("size: the core is too large; load what few pages need on first use: import()");
  process.exit(1);
}
