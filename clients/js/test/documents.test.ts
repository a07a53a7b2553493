/** What the documents show in TypeScript is right, as far as the compiler can tell. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const HERE = import.meta.dirname;
const ROOT = join(HERE, "../../..");
/** A block that is to be written to a file: its name, and its text. */
const BLOCK = /^```\w+ file=(\S+)\n(.*?)^```$/gms;

test.each(["browser", "react"])("docs/how-to/%s.md", (name) => {
  const folder = mkdtempSync(join(tmpdir(), "rb-docs-"));
  try {
    const page = readFileSync(join(ROOT, `docs/how-to/${name}.md`), "utf8");
    const written = [...page.matchAll(BLOCK)].map(([, file = "", text = ""]) => {
      writeFileSync(join(folder, file), text);
      return file;
    });
    expect(written.filter((file) => /\.tsx?$/.test(file)).length).toBeGreaterThan(4);
    const ringback = join(ROOT, ".venv/bin/ringback");
    const api = execFileSync(ringback, ["types", "app:rb"], { cwd: folder, encoding: "utf8" });
    writeFileSync(join(folder, "api.ts"), api);
    writeFileSync(join(folder, "package.json"), '{"type": "module"}');
    // As a page's own project has it, but for the package as it stands here, built or not.
    const compilerOptions = { customConditions: ["ringback-source"], types: [] };
    const config = { extends: join(HERE, "../tsconfig.json"), compilerOptions, include: ["*"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const checked = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
    expect(checked).toMatchObject({ status: 0, stdout: "", stderr: "" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
