// Bundles the page into a folder, in place of what is in it; ../static unless another is named.
// Usage: node build.mjs [FOLDER]
//
// The script and the style sheet carry a hash of their content in their names, so that browsers
// may keep them for good; index.html names them and is asked for each time.

import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { coarse, fine } from "./outlines.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const NOTICES = "THIRD-PARTY.txt";
/** Where the outlines come from: in no script, and in what the page loads. */
const DATA = "world-atlas";
const outdir = resolve(process.argv[2] ?? `${HERE}../static`);

await rm(outdir, { recursive: true, force: true });
await mkdir(outdir, { recursive: true });
const outlines = {
  coarse: await place("outlines-coarse", await coarse()),
  fine: await place("outlines-fine", await fine()),
};
const { metafile } = await build({
  absWorkingDir: HERE,
  entryPoints: { app: "src/main.tsx" },
  outdir,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "browser",
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  jsx: "automatic",
  // The client's sources, and nothing that had to be built before.
  conditions: ["ringback-source"],
  define: { "process.env.NODE_ENV": '"production"', OUTLINES: JSON.stringify(outlines) },
  minify: true,
  sourcemap: "linked",
  legalComments: "none",
  banner: { js: `/*! Licences of what is in it: /static/${NOTICES} */` },
  metafile: true,
});
await writeFile(`${outdir}/${NOTICES}`, await notices(Object.keys(metafile.inputs)));

const entry = Object.entries(metafile.outputs).find(
  ([, output]) => output.entryPoint === "src/main.tsx",
);
if (entry?.[1].cssBundle === undefined) throw new Error("build: no script, or no style sheet");
const page = await readFile(`${HERE}src/index.html`, "utf8");
await writeFile(
  `${outdir}/index.html`,
  page
    .replace("{{script}}", `/static/${basename(entry[0])}`)
    .replace("{{style}}", `/static/${basename(entry[1].cssBundle)}`),
);
await copyFile(`${HERE}src/icon.svg`, `${outdir}/icon.svg`);

/** Puts a file into the folder under a name with its hash; what it is asked for with. */
async function place(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  await writeFile(`${outdir}/${name}-${hash}.bin`, content);
  return `/static/${name}-${hash}.bin`;
}

/** The licences of all packages that these files are of, in full: each asks to go along. */
async function notices(files) {
  const { resolve } = createRequire(import.meta.url);
  const found = files.map((file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]);
  const names = [...new Set([...found, DATA])].filter((name) => name !== undefined).sort();
  const texts = names.map(async (name) => {
    const path = resolve(`${name}/package.json`);
    const { version, license } = JSON.parse(await readFile(path, "utf8"));
    const text = await readFile(`${dirname(path)}/LICENSE`, "utf8");
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(72)}\n\n`);
}
