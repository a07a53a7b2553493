// The two ways this package is bundled, told once for the build and for the check of the size.
// Everything is ESM; what the core imports on first use (`import()`) becomes files of its own.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const HOOKS = "src/react/index.ts";

const COMMON = {
  absWorkingDir: HERE,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  sourcemap: "linked",
  legalComments: "none",
  metafile: true,
};

/** For npm: the core and the hooks, readable, to be minified by whoever bundles them. */
export function published(outdir) {
  return {
    ...COMMON,
    outdir,
    entryPoints: {
      index: "src/index.ts",
      ...(existsSync(new URL(`../${HOOKS}`, import.meta.url)) ? { react: HOOKS } : {}),
    },
    chunkNames: "chunks/[name]-[hash]",
    external: ["react"],
  };
}

/** For a server: `ringback.js`, and in `ringback/` what it loads on first use, all minified. */
export function served(outdir) {
  return {
    ...COMMON,
    outdir,
    entryPoints: { ringback: "src/index.ts" },
    chunkNames: "ringback/[name]-[hash]",
    minify: true,
  };
}
