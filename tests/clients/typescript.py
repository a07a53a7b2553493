"""TypeScript's own compiler, asked whether a module is well typed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NODE = Path(sys.executable).parent / "node"
COMPILER = ROOT / "node_modules/typescript/bin/tsc"
OPTIONS = [
    "--noEmit",
    "--ignoreConfig",
    "--strict",
    "--noUncheckedIndexedAccess",
    "--exactOptionalPropertyTypes",
    *("--target", "es2022"),
    *("--module", "nodenext"),
    *("--lib", "es2022,dom,dom.iterable,dom.asynciterable"),
]


def complaints(module: Path) -> str:
    """What the compiler has against a module; nothing, if it compiles."""
    assert COMPILER.exists(), "TypeScript is not installed. Cure: make setup, with a network."
    done = subprocess.run(
        [NODE, COMPILER, *OPTIONS, module], capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout + done.stderr
