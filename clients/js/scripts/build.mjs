// Bundles the client into a folder, in place of what is in it.
// Usage: node scripts/build.mjs FOLDER           what npm publishes (types: tsc)
//        node scripts/build.mjs --served FOLDER  what a server serves as /ringback.js

import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { published, served } from "./bundles.mjs";

const { values, positionals } = parseArgs({
  options: { served: { type: "boolean", default: false } },
  allowPositionals: true,
});
const [folder] = positionals;
if (folder === undefined || positionals.length > 1) {
  console.error("build: say which one folder to build into");
  process.exit(2);
}
const outdir = resolve(folder);
await rm(outdir, { recursive: true, force: true });
await build(values.served ? served(outdir) : published(outdir));
