import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    // Those that need a page say so: // @vitest-environment jsdom
    environment: "node",
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});
