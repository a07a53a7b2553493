"""Fixtures for every test. What serves an application is in `tests/serving.py`."""

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import certifi
import pytest
from hypothesis import settings

from tests.e2e import chromium
from tests.thorough import examples

# How long an example takes says more about the machine than about what is tested.
settings.register_profile("untimed", deadline=None, max_examples=examples(100))
settings.load_profile("untimed")


LONGEST = "tests/clients/test_js.py"
"""The file that takes longest by far: begun last, it would be waited for alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested, and the cure, where nobody overlooks it."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and chromium.SKIPPED in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.section("the pages were NOT tested", red=True)
        terminalreporter.write_line(
            f"{len(skipped)} tests were skipped: {chromium.SKIPPED}. {chromium.CURE}", red=True
        )


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Where the browser is; without one there is nothing to test in."""
    path = chromium.find()
    if path is None:
        pytest.skip(f"{chromium.SKIPPED}. {chromium.CURE}")
    return path


@pytest.fixture(autouse=True, scope="session")
def temporary_folder() -> Iterator[None]:
    """Programs that a test kills leave things in the folder for such: this run has its own."""
    with (
        tempfile.TemporaryDirectory(prefix="rb-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_clients() -> Iterator[None]:
    """Spare httpx what takes longer than most that a test asks with it: to read the authorities'
    certificates for each client, and to look for a package that is not there for each request.
    """
    make = ssl.create_default_context
    files = {os.environ.get("SSL_CERT_FILE"), certifi.where()}
    shared = cache(make)

    def made(*given: Any, **options: Any) -> ssl.SSLContext:
        plain = not given and options.keys() == {"cafile"} and options["cafile"] in files
        return shared(**options) if plain else make(*given, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", made)
        if find_spec("sniffio") is None:
            patch.setitem(sys.modules, "sniffio", None)
        yield


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's own environment sets must not change what is tested."""
    for name in tuple(os.environ):
        if name.startswith("RINGBACK_"):
            monkeypatch.delenv(name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A fresh folder for an embedded store; it does not exist yet."""
    return tmp_path / "data"
