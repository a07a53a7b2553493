"""What the tests of the command line share."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Place, Server, Shell


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> Iterator[None]:
    """Programs take Ctrl-C, though the tests may run in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A user's shell."""
    return Shell(tmp_path / "home")


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    """The folder whose files let the task `steps` go on."""
    folder = tmp_path / "gates"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that the tests of a module share."""
    folder = tmp_path_factory.mktemp("served")
    with Server(Shell(folder / "home"), folder / "data") as server:
        yield server


@pytest.fixture(params=["url", "data"])
def place(request: pytest.FixtureRequest, served: Server) -> Place:
    """It, by its URL, and again by its data folder."""
    return Place(served, local=request.param == "data")
