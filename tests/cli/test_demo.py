"""`ringback demo` starts what the page needs. What the page does is tested with the demo."""

from pathlib import Path

import httpx

from tests.cli.program import Shell, alive


def test_the_demo_serves_its_page_and_has_a_worker(shell: Shell) -> None:
    with shell.fresh().start("demo", "--port", 0, "--json") as demo:
        started = demo.json_line()
        assert started["mode"] == "development"
        (worker,) = started["worker_pids"]
        page = httpx.get(started["url"])
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        store = Path(started["store"])
        assert store.exists()
        assert demo.stop() == 0
        assert not alive(worker)
        assert not store.exists(), "nothing is left behind"


def test_the_demo_keeps_its_store_where_it_is_told(shell: Shell, data: Path) -> None:
    with shell.start("demo", "--port", 0, "--json", "--data", data) as demo:
        assert demo.json_line()["store"] == str(data)
        assert demo.stop() == 0
    assert data.exists()
