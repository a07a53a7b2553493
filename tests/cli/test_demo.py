"""`ringback demo` starts what the page needs. What the pages do is tested in browsers."""

import shutil
from pathlib import Path

import httpx
import pytest

from tests.cli.program import Shell, alive

ROOT = Path(__file__).resolve().parents[2]
SHOWS = ["", "ask-around-me", "files"]


@pytest.mark.parametrize("show", SHOWS)
def test_the_demo_serves_its_page_and_has_a_worker(shell: Shell, show: str) -> None:
    with shell.fresh().start("demo", *show.split(), "--port", 0, "--json") as demo:
        started = demo.json_line()
        assert started["name"] == ("ringback-demo" if show == "files" else "ask-around-me")
        (worker,) = started["worker_pids"]
        page = httpx.get(started["url"])
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        store = Path(started["store"])
        assert store.exists()
        assert demo.stop() == 0
        assert not alive(worker)
        assert not store.exists(), "nothing is left behind"


@pytest.mark.parametrize("show", ["", "files"])
def test_the_demo_says_what_to_open_and_what_to_try(shell: Shell, show: str) -> None:
    with shell.fresh().start("demo", *show.split(), "--port", 0) as demo:
        lines = demo.lines_to("Stop with")
        (url,) = [line.split()[1] for line in lines if line.startswith("  open ")]
        assert httpx.get(url).status_code == 200
        said = "\n".join(lines)
        assert ("Ask Around Me: " in said) == (show != "files")
        assert "kill the worker" in said
        assert "deleted at the end" in said
        assert demo.stop() == 0


def test_the_demo_keeps_its_store_where_it_is_told(shell: Shell, data: Path) -> None:
    with shell.start("demo", "files", "--port", 0, "--json", "--data", data) as demo:
        assert demo.json_line()["store"] == str(data)
        assert demo.stop() == 0
    assert data.exists()


def test_a_checkout_without_the_built_page_says_the_cure(shell: Shell, tmp_path: Path) -> None:
    """As it is where npm cannot be reached: a copy, but for what the build makes."""
    checkout = tmp_path / "checkout"
    for folder in ("src/ringback", "examples/ask_around_me"):
        unbuilt = shutil.ignore_patterns("__pycache__", "static", "web")
        shutil.copytree(ROOT / folder, checkout / folder, ignore=unbuilt)
    shutil.copy(ROOT / "pyproject.toml", checkout)
    refused = shell.fresh().run("demo", "--port", "0", PYTHONPATH=str(checkout / "src"))
    assert refused.status == 2
    assert "not built" in refused.err
    assert "make setup" in refused.err
    assert "ringback demo files" in refused.err
