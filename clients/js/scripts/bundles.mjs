// The two ways this package is bundled, told once for the build and for the check of the size.
// Everything is ESM; what the core imports on first use (`import()`) becomes files of its own.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const HOOKS = "src/react/index.ts";

/**
 * Properties that only this package's own modules see: short ones in what is served, where each
 * byte is loaded by every page. Never one of a public type, of the wire, of what tabs say to each
 * other (they may be of two versions), or of the platform: test/bundle.test.ts looks.
 */
export const INTERNAL = [
  "accept",
  "asError",
  "asked",
  "begin",
  "beyond",
  "broken",
  "change",
  "changed",
  "check",
  "confirm",
  "down",
  "entries",
  "fail",
  "fits",
  "freshKey",
  "held",
  "higher",
  "http",
  "isOperation",
  "isPath",
  "joined",
  "kit",
  "known",
  "literal",
  "live",
  "local",
  "lost",
  "mark",
  "matcher",
  "names",
  "passes",
  "patience",
  "pause",
  "persist",
  "positions",
  "probing",
  "refused",
  "renew",
  "renewed",
  "reopen",
  "reply",
  "start",
  "stay",
  "take",
  "tokens",
  "up",
  "wired",
];

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
    mangleProps: new RegExp(`^(${INTERNAL.join("|")})$`),
  };
}
