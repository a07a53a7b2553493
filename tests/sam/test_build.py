"""What becomes the functions' code: what goes in, what stays out, and how much it may be."""

from __future__ import annotations

import subprocess
import sys
import types
import zipfile
from collections.abc import Collection
from pathlib import Path

import pytest

from ringback.errors import ConfigurationError
from ringback.sam import build as building
from ringback.sam.build import (
    NOT_THERE,
    PARTS_NOT_THERE,
    Build,
    application,
    imported,
    needed,
)

SHOP = """
from ringback import Ringback

rb = Ringback()
handler = rb.lambda_handler()
"""
SERVED = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {refused!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
sys.path.insert(0, {code!r})
import ringback.lambdas.running
print(callable(__import__("importlib").import_module({module!r}).handler))
print(ringback.__file__)
"""
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application in a folder as people have it."""
    root = tmp_path / "project"
    for name, text in {
        "shop.py": SHOP,
        "helpers/__init__.py": "",
        "helpers/build/data.txt": "kept: only the top is looked at",
        "ringback.toml": "",
        "tests/test_shop.py": "",
        ".git/config": "",
        "env/pyvenv.cfg": "",
        "env/lib.py": "",
        "helpers/__pycache__/x.pyc": "",
        "ringback-data/ringback.db": "",
        "cdk.out/asset.zip": "",
        "requirements.txt": "",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(root)
    monkeypatch.chdir(root)
    return root


def made(folder: Path, **changes: object) -> Build:
    options = {
        "folder": folder,
        "handler": "shop.handler",
        "architecture": "arm64",
        "python": "{}.{}".format(*sys.version_info),
        "requirements": None,
    }
    return Build(**(options | changes))  # type: ignore[arg-type]


def test_what_lies_beside_the_application_goes_in(project: Path) -> None:
    names = {name for _, name in application("shop.handler", project / ".ringback-aws")}
    assert names == {"shop.py", "helpers/__init__.py", "helpers/build/data.txt", "ringback.toml"}


def test_of_an_installed_application_its_own_package_goes_in(tmp_path: Path) -> None:
    names = {name for _, name in application("msgspec.handler", tmp_path)}
    assert "msgspec/__init__.py" in names
    assert all(name.startswith("msgspec/") for name in names)


def test_an_application_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere_at_all"):
        list(application("nowhere_at_all.handler", tmp_path))


@pytest.mark.parametrize("uploads", [True, False])
def test_ringback_needs_less_than_a_server(project: Path, uploads: bool) -> None:
    names = {name.split(">")[0].split("<")[0] for name in needed(uploads=uploads)}
    least = {"joserfc", "msgspec", "pydantic", "starlette"}
    assert names == (least | {"obstore"} if uploads else least)


def test_the_code_serves_without_what_is_left_out(project: Path) -> None:
    """In an interpreter that has none of it, as Lambda's has not."""
    build = made(project / ".ringback-aws")
    build.prepare()
    build.copy()
    assert not [part for part in PARTS_NOT_THERE if (build.code / "ringback" / part).exists()]
    first, second = served(build.code, "shop")
    assert first == "True"
    assert second == str(build.code / "ringback" / "__init__.py")


def test_the_example_is_served_without_it_too() -> None:
    own = {name.partition(".")[0] for name in imported((ROOT / "examples").rglob("*.py"))}
    assert own & NOT_THERE == {"httpx"}
    assert served(ROOT / "examples", "ask_around_me.lambda_", but=own)[0] == "True"


def test_what_the_application_imports_is_not_left_out(project: Path) -> None:
    (project / "helpers" / "pages.py").write_text("def page():\n    import rich.table as t, os\n")
    (project / "helpers" / "calls.py").write_text("from httpx._client import Client\n")
    (project / "helpers" / "own.py").write_text("from .typer import x\nfrom . import uvloop\n")
    (project / "helpers" / "template.py").write_text("{{ import websockets }}\n")
    build = made(project / ".ringback-aws", uploads=False)
    build.prepare()
    names = {line.split(">")[0] for line in build.needed.read_text("utf-8").splitlines()}
    assert names == {"httpx", "joserfc", "msgspec", "pydantic", "rich", "starlette"}


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("from ringback.client import Client", True),
        ("from ringback import client", True),
        ("import ringback.client.bucket", True),
        ("from ringback import Ringback as clients", False),
    ],
)
def test_the_client_is_there_for_who_imports_it(project: Path, line: str, there: bool) -> None:
    (project / "helpers" / "calls.py").write_text(f"{line}\n")
    build = made(project / ".ringback-aws")
    build.prepare()
    assert any(each.startswith("httpx") for each in build.needed.read_text().split()) == there
    build.copy()
    assert (build.code / "ringback" / "client").exists() == there


def test_what_the_requirements_load_is_not_left_out(project: Path) -> None:
    build = made(project / ".ringback-aws")
    build.prepare()
    for name, text in {
        "acme/__init__.py": "from ringback.client import Client",
        "acme/__init__.pyi": "read by lazy_loader",
        "acme/sboms/__init__.py": "",
        "acme-1.dist-info/sboms/all.json": "{}",
        "msgspec/__init__.pyi": "",
        "ringback/cli/__init__.py": "import ringback.sam",
    }.items():
        (build.code / name).parent.mkdir(parents=True, exist_ok=True)
        (build.code / name).write_text(text)
    (project / "helpers" / "local.py").write_text("from ringback.engines.sqlite import x")
    build.copy()
    files = {each.relative_to(build.code).as_posix() for each in build.code.rglob("*.*")}
    assert {"acme/__init__.pyi", "acme/sboms/__init__.py", "ringback/client/messages.py"} < files
    assert "ringback/engines/sqlite/engine.py" in files
    assert not {"acme-1.dist-info/sboms/all.json", "msgspec/__init__.pyi"} & files
    assert not {"ringback/cli/__init__.py", "ringback/sam/__init__.py"} & files


def served(code: Path, module: str, but: Collection[str] = ()) -> list[str]:
    """What an interpreter prints that imports a handler's module, and lacks what Lambda lacks."""
    refused = set(NOT_THERE.difference(but))
    program = SERVED.format(refused=refused, code=str(code), module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_modules_are_compiled_where_the_version_is_the_functions(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = made(project / ".ringback-aws")
    build.prepare()
    build.copy()
    assert build.compile()
    build.zip()
    (build.code / "shop.py").write_text("handler = None", "utf-8")  # what is compiled counts
    with zipfile.ZipFile(build.archive) as archive:
        names = set(archive.namelist())
    assert f"__pycache__/shop.{sys.implementation.cache_tag}.pyc" in names
    assert f"ringback/__pycache__/app.{sys.implementation.cache_tag}.pyc" in names
    assert served(build.code, "shop")[0] == "True"
    # Of the libraries that come along, what is loaded; of the application's own, all.
    openssl = "cryptography/hazmat/backends/openssl"
    for name in (
        *("pydantic/main.py", "pydantic/v1/main.py", "pycparser/lextab.py", "own/used.py"),
        f"{openssl}/backend.py",
    ):
        (build.code / name).parent.mkdir(parents=True, exist_ok=True)
        (build.code / name).write_text("")
    # Whatever the building process has loaded, and however the application ends.
    monkeypatch.setitem(sys.modules, "pydantic.v1", types.ModuleType("pydantic.v1"))
    (project / "shop.py").write_text("print('loaded')\nraise SystemExit(3)\n")
    assert build.compile()
    compiled = {each.parent.parent for each in build.code.rglob("*.pyc")}
    assert {build.code / "pydantic", build.code / "own", build.code / openssl} < compiled
    assert not {build.code / "pydantic/v1", build.code / "pycparser"} & compiled
    other = made(project / ".ringback-aws", python="3.99")
    assert not other.compile()
    assert not list(build.code.rglob("*.pyc"))


def test_the_same_code_is_the_same_archive(project: Path) -> None:
    archives = []
    build = made(project / ".ringback-aws")
    for _ in range(2):
        build.prepare()
        build.copy()
        build.compile()
        build.zip()
        archives.append(build.archive.read_bytes())
    assert archives[0] == archives[1]
    with zipfile.ZipFile(build.archive) as archive:
        assert {"shop.py", "ringback/app.py"} <= set(archive.namelist())


def test_too_much_for_lambda_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = made(project / ".ringback-aws")
    build.prepare()
    (build.code / "large").write_bytes(bytes(3 * 1024 * 1024))
    assert build.size() == 3 * 1024 * 1024
    monkeypatch.setattr(building, "MOST", 2 * 1024 * 1024)
    with pytest.raises(ConfigurationError, match=r"3\.0 MB unzipped.*2\.0 MB.*large 3\.0 MB"):
        build.size()


def only(monkeypatch: pytest.MonkeyPatch, *tools: str) -> None:
    """Let these programs be found, and no others."""
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}" if name in tools else None)


@pytest.mark.parametrize(
    ("architecture", "tools", "words"),
    [
        ("arm64", ("uv",), ["--python-platform", "aarch64-manylinux_2_28"]),
        ("x86_64", ("uv",), ["--python-platform", "x86_64-manylinux_2_28"]),
        ("arm64", ("pip",), ["--platform", "manylinux_2_28_aarch64"]),
        ("x86_64", ("pip",), ["--platform", "manylinux2014_x86_64"]),
    ],
)
def test_installs_for_lambda_and_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    architecture: str,
    tools: tuple[str, ...],
    words: list[str],
) -> None:
    only(monkeypatch, *tools)
    build = made(
        tmp_path, architecture=architecture, python="3.12", requirements=Path("requirements.txt")
    )
    command = " ".join(build.install())
    assert " ".join(words) in command
    assert "--python-version 3.12" in command
    assert ":all:" in command
    assert command.endswith(f"--requirement {build.needed} --requirement requirements.txt")


def test_without_an_installer_the_cure_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"astral\.sh/uv"):
        made(tmp_path).install()
