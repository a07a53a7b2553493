import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["ringback-source"] },
  test: { include: ["test/**/*.test.{ts,tsx}"], environment: "node" },
});
