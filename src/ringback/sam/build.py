"""The folder that becomes the functions' code: the application, Ringback, and what both need.

What belongs here: what goes in, and how large it may be. What does not: uploading it, which
``deploy`` leaves to the ordinary tools.
"""

from __future__ import annotations

import ast
import compileall
import contextlib
import importlib.util
import json
import py_compile
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import ClassVar

from ringback.errors import ConfigurationError

MOST = 250 * 1024 * 1024
"""Bytes of a function's code unzipped, with layers: Lambda takes no more."""
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
GLIBC = "manylinux_2_28"
"""The newest that wheels are commonly built for and that Lambda's Amazon Linux 2023 runs."""
NOT_THERE = frozenset(
    {"apsw", "httptools", "httpx", "rich", "typer", "uvicorn", "uvloop", "websockets"}
)
"""What Ringback needs to serve, to keep data in files, for its clients and its command line: none
is done in Lambda. One that the application itself imports goes in."""
FOR_UPLOADS = "obstore"
"""A third of all there is, and loaded for uploads alone."""
PARTS_NOT_THERE = frozenset(
    {"awscost", "awslocal", "cli", "client", "demo", "engines/sqlite", "examples", "sam", "serve"}
)
"""Of Ringback itself, likewise."""
CLIENT, OF_CLIENT = "ringback.client", "httpx"
"""Goes in with what it needs."""
LEFT_OUT = frozenset({".c", ".h", ".map", ".pyi"})
"""Endings of files of Ringback and of what it needs that nothing loads. Others may load theirs:
lazy_loader, say, reads stubs."""
LISTS = "sboms"
"""The folder of lists of what a library was built from (PEP 770)."""
LATER = ("anyio._backends._asyncio", "cryptography.hazmat.backends.openssl.backend")
"""Modules that are loaded by name: once a route runs in a thread, and for a signature by ES256."""
LOADING = """
import contextlib, importlib, json, sys
given = json.load(sys.stdin)
sys.path[:] = given["path"]
for name in given["names"]:
    with contextlib.suppress(Exception, SystemExit):  # where a server or AWS is needed
        importlib.import_module(name)
print()
print("loaded:", *sys.modules)
"""
"""Imports modules, and prints the names of all that are loaded then."""
SKIPPED = frozenset({"build", "cdk.out", "dist", "docs", "ringback-data", "test", "tests"})
"""Folders beside an application that are not it, as hidden ones and environments are not."""
REQUIREMENTS = "requirements.txt"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive: the same code has the same digest, and is not deployed
again."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class Build:
    """What is built, and where."""

    folder: Path
    handler: str
    architecture: str
    python: str
    requirements: Path | None
    """The application's own; None: it has none."""
    uploads: bool = True
    """Whether the application takes any."""

    ARCHIVE: ClassVar[str] = "code.zip"

    @property
    def code(self) -> Path:
        return self.folder / "code"

    @property
    def archive(self) -> Path:
        return self.folder / self.ARCHIVE

    @property
    def needed(self) -> Path:
        """Ringback's own requirements, in Lambda."""
        return self.folder / "ringback-requirements.txt"

    def install(self) -> list[str]:
        """The command that installs the dependencies, for Lambda and not for this machine."""
        machine = MACHINES[self.architecture]
        files = [self.needed, *([self.requirements] if self.requirements else [])]
        listed = [word for file in files for word in ("--requirement", str(file))]
        if shutil.which("uv") is not None:
            platform = ["--python-platform", f"{machine}-{GLIBC}", "--only-binary", ":all:"]
            head = ["uv", "pip", "install", "--quiet", "--target", str(self.code)]
            return [*head, *platform, "--python-version", self.python, *listed]
        platform = [
            *("--platform", f"{GLIBC}_{machine}"),
            *("--platform", f"manylinux2014_{machine}"),
            *("--implementation", "cp", "--only-binary=:all:"),
        ]
        head = [*_pip(), "install", "--quiet", "--target", str(self.code)]
        return [*head, *platform, "--python-version", self.python, *listed]

    def prepare(self) -> None:
        """An empty folder of code, and the list of what Ringback needs."""
        if self.code.exists():
            shutil.rmtree(self.code)
        self.code.mkdir(parents=True)
        self.needed.write_text("\n".join(self._needed()) + "\n", "utf-8")

    def _needed(self) -> list[str]:
        return needed(uploads=self.uploads, imported=self._imported())

    def _imported(self) -> set[str]:
        """Names of what the application imports, and of Ringback what its requirements do, once
        they are installed; of all that they are in, too. And what the client needs.
        """
        own = (file for file, _ in application(self.handler, self.folder))
        names = imported(own) | imported(self._callers())
        names |= {name[: dot.start()] for name in names for dot in re.finditer(r"\.", name)}
        return names | {OF_CLIENT} if CLIENT in names else names

    def _callers(self) -> Iterator[Path]:
        """Files in the code that speak of Ringback and are not its own."""
        for file in self.code.rglob("*.py"):
            own = file.is_relative_to(self.code / "ringback")
            if not own and b"ringback" in file.read_bytes():
                yield file

    def copy(self) -> None:
        """Ringback and the application, as they are here."""
        package = Path(__file__).resolve().parent.parent
        wanted, brought = self._imported(), _brought(self._needed())
        skipped = shutil.ignore_patterns("__pycache__", *(f"*{ending}" for ending in LEFT_OUT))
        shutil.copytree(package, self.code / "ringback", ignore=skipped, dirs_exist_ok=True)
        for part in PARTS_NOT_THERE:
            if f"ringback.{part}".replace("/", ".") not in wanted:
                shutil.rmtree(self.code / "ringback" / part, ignore_errors=True)
        for file in _all(self.code):
            top = file.relative_to(self.code).parts[0]
            said = top.endswith(".dist-info") and file.parent.name == LISTS
            if said or (top in brought and file.suffix in LEFT_OUT):
                file.unlink()
        for source, name in application(self.handler, self.folder):
            target = self.code / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def compile(self) -> bool:
        """Put the compiled modules beside their sources: a cold start that compiles takes twice as
        long, and a function can keep none of it. False where this interpreter is of another
        version than the functions'.

        Of the libraries that come with Ringback, only what it loads: the rest would be a tenth of
        the code. They are of unchecked hashes (PEP 552), since an archive's times say nothing.
        """
        for compiled in [*self.code.rglob("__pycache__")]:
            shutil.rmtree(compiled)
        if self.python != f"{sys.version_info.major}.{sys.version_info.minor}":
            return False
        brought, loaded = _brought(self._needed()), self._loaded()
        for file in sorted(self.code.rglob("*.py")):
            name = _module(file.relative_to(self.code))
            if name.partition(".")[0] in brought and name not in loaded:
                continue
            compileall.compile_file(
                file,
                quiet=2,  # what does not compile is a template of somebody's, and is no module
                stripdir=str(self.code),
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        return True

    def _loaded(self) -> set[str]:
        """Modules that are loaded once the application is, and all of Ringback that is in the code.

        In an interpreter of its own: this one has also what only building takes.
        """
        files = sorted((self.code / "ringback").rglob("*.py"))
        modules = [_module(file.relative_to(self.code)) for file in files]
        names = [self.handler.rpartition(".")[0], *modules, *LATER]
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", LOADING],
            input=json.dumps({"names": names, "path": sys.path}),
            capture_output=True,
            text=True,
            check=False,
        )
        for line in done.stdout.splitlines():
            if line.startswith("loaded: "):
                return set(line.split()[1:])
        raise ConfigurationError(
            f"What the code loads could not be found out: {done.stderr.strip()[-300:]}"
        )

    def size(self) -> int:
        """Bytes unzipped. Raises ``ConfigurationError`` for more than Lambda takes."""
        sizes: dict[str, int] = {}
        for file in _all(self.code):
            part = file.relative_to(self.code).parts[0]
            sizes[part] = sizes.get(part, 0) + file.stat().st_size
        total = sum(sizes.values())
        if total > MOST:
            largest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
            told = ", ".join(f"{name} {megabytes(size)}" for name, size in largest)
            raise ConfigurationError(
                f"The code has {megabytes(total)} unzipped, and Lambda takes {megabytes(MOST)}. "
                f"The largest: {told}. Leave out of the requirements what only other machines "
                "need."
            )
        return total

    def zip(self) -> int:
        """Write the archive; its bytes."""
        with zipfile.ZipFile(self.archive, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in _all(self.code):
                name = file.relative_to(self.code).as_posix()
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o100644 << 16  # anybody may read: Lambda is nobody we know
                archive.writestr(entry, file.read_bytes())
        return self.archive.stat().st_size


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if shutil.which("pip") is not None:
        return ["pip"]
    raise ConfigurationError(
        "Neither uv nor pip is here, and one of them installs what the code needs. Install one: "
        "https://docs.astral.sh/uv/, or python -m ensurepip."
    )


def needed(*, uploads: bool, imported: Collection[str] = ()) -> list[str]:
    """What Ringback needs where it neither listens nor has a command line, and of the rest what
    the application imports.
    """
    try:
        listed = requires("ringback") or []
    except PackageNotFoundError:
        raise ConfigurationError(
            "Ringback is not installed here, so what it needs is not known. pip install it."
        ) from None
    left_out = (NOT_THERE if uploads else NOT_THERE | {FOR_UPLOADS}).difference(imported)
    found = []
    for requirement in listed:
        name = _NAME.match(requirement)
        if name and "extra ==" not in requirement and name[0].lower() not in left_out:
            found.append(requirement)
    return sorted(found)


def imported(files: Iterable[Path]) -> set[str]:
    """The names of what these files import, wherever in them they do; some are no modules."""
    found: set[str] = set()
    for file in files:
        if file.suffix != ".py":
            continue
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):  # a template of somebody's
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _brought(requirements: Iterable[str]) -> set[str]:
    """The top names of modules that these requirements bring, and theirs."""
    found: set[str] = set()
    wanted = [*requirements]
    while wanted:
        match = _NAME.match(wanted.pop())
        name = _normal(match[0]) if match else ""
        if name and name not in found:
            found.add(name)
            with contextlib.suppress(PackageNotFoundError):  # for another system, say
                wanted += [each for each in requires(name) or [] if "extra ==" not in each]
    places = packages_distributions().items()
    return {top for top, names in places if found.issuperset(map(_normal, names))}


def _normal(name: str) -> str:
    """A distribution's name as all its spellings have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _module(file: Path) -> str:
    """The name of the module in a file of the code."""
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def application(handler: str, into: Path) -> Iterator[tuple[Path, str]]:
    """The application's files: where each is, and its name in the code.

    All that lies beside its module, unless that is among installed packages: then its own.
    """
    top = handler.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None or not (spec.origin or spec.submodule_search_locations):
        raise ConfigurationError(f"There is no module {top!r} to be put into the code.")
    places: Sequence[str] = list(spec.submodule_search_locations or ())
    place = Path(places[0] if places else str(spec.origin)).resolve()
    root = place.parent
    installed = {"site-packages", "dist-packages"} & {*root.parts}
    files = _files(place) if installed and places else [place] if installed else _own(root)
    for file in files:
        if not file.is_relative_to(into.resolve()):
            yield file, file.relative_to(root).as_posix()


def _own(root: Path) -> Iterator[Path]:
    """What lies in a project's folder and is a part of it."""
    for each in sorted(root.iterdir()):
        if each.is_dir():
            kept = each.name not in SKIPPED and not (each / "pyvenv.cfg").exists()
            if kept and not each.name.startswith("."):
                yield from _files(each)
        elif not each.name.startswith(".") and each.name != REQUIREMENTS:
            yield each


def _files(folder: Path) -> Iterator[Path]:
    for each in sorted(folder.rglob("*")):
        if each.is_file() and not {"__pycache__", "node_modules"} & {*each.parts}:
            yield each


def _all(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file())


def megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MB"
