"""The browser client in one file, from its source: for programs of Node's that follow with it."""

import subprocess
from pathlib import Path

from tests.clients.test_js import NPM, ROOT


def bundled(folder: Path) -> Path:
    """The file, made in this folder."""
    file = folder / "ringback.mjs"
    subprocess.run(
        [NPM, "exec", "--", "esbuild", "clients/js/src/index.ts", "--bundle", "--format=esm",
         "--platform=node", f"--outfile={file}", "--log-level=error"],
        cwd=ROOT,
        check=True,
    )  # fmt: skip
    return file
