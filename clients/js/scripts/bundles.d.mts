import type { BuildOptions } from "esbuild";

export const INTERNAL: readonly string[];
export function published(outdir: string): BuildOptions;
export function served(outdir: string): BuildOptions;
