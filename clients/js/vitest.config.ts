import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    // Those that need a page say so: // @vitest-environment jsdom
    environment: "node",
    // They cost nothing while all goes well, and a busy machine takes its time.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // They wait for servers more than they compute.
    maxWorkers: 3,
  },
});
