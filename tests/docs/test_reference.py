"""The reference says what the code says."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from docs import generate
from ringback import Ringback, Upload
from ringback.settings import Settings
from tests.docs.test_pages import ROOT
from tests.serving import serve
from tests.test_layers import TABLE

REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", generate.PAGES)
def test_what_is_generated_is_of_today(name: str) -> None:
    page = (REFERENCE / name).read_text("utf-8")
    assert page == generate.generated(name, page), (
        f"docs/reference/{name} is out of date. Cure: python -m docs.generate"
    )


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks its marks"):
        generate.generated("settings.md", "# Settings\n")


def test_every_problem_is_there_once() -> None:
    codes = re.findall(r"^\| `([a-z-]+)` \|", generate.problems(), re.MULTILINE)
    assert len(codes) == len(set(codes))
    assert {"unknown-task", "queue-full", "timeout", "process-died", "internal-error"} <= set(codes)


def test_settings_that_the_documents_name_exist() -> None:
    # STREAM: of one function of the template alone.
    beside = {"URL", "TOKEN", "SETTINGS", "STREAM"}
    known = {name.upper() for name in Settings.model_fields} | beside
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        for name in re.findall(r"RINGBACK_([A-Z_]+)", page.read_text("utf-8")):
            assert name in known, f"{page.relative_to(ROOT)}: there is no RINGBACK_{name}"


def test_documents_name_files_that_exist() -> None:
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        for name in re.findall(r"`((?:src|tests|docs|bench)/[\w/.-]+)`", page.read_text("utf-8")):
            assert (ROOT / name).exists(), f"{page.relative_to(ROOT)}: there is no {name}"


def test_contributing_has_the_rooms_in_their_order() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (block,) = re.findall(r"```text shown\n(.*?)```", text, re.DOTALL)
    assert [line.split()[0] for line in block.splitlines()] == list(TABLE)


UNTOLD = {
    ("GET", "/openapi.json"),
    ("GET", "/asyncapi.json"),
    ("GET", "/.well-known/mercure"),
    ("POST", "/.well-known/mercure"),
    ("GET", "/.well-known/mercure/subscriptions"),
    ("GET", "/.well-known/oauth-protected-resource/.well-known/mercure"),
}
"""A description does not describe itself, nor a protocol that is specified elsewhere."""


def routes(page: str) -> dict[tuple[str, str], str]:
    """The routes that the contract has a heading for, with the text below each."""
    _, *parts = re.split(r"^#{2,3} (.+)$", page, flags=re.MULTILINE)
    return {
        (method, path): text
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
        for method, path in re.findall(r"([A-Z]+) (/\S+?)(?:,|$)", heading)
    }


async def described(data: Path) -> dict[str, Any]:
    """What a server says of itself."""
    rb = Ringback("described", data=data)

    @rb.task(idempotency_key=True)
    async def report(months: int) -> int:
        return months

    @rb.on_upload("files/")
    async def keep(upload: Upload) -> int:
        return upload.size

    async with serve(rb) as url, httpx.AsyncClient() as client:
        found: dict[str, Any] = (await client.get(f"{url}/openapi.json")).json()
    return found


async def test_the_contract_has_every_route_and_problem(data: Path) -> None:
    page = (REFERENCE / "http.md").read_text("utf-8")
    told = routes(page)
    common = page.partition("## Errors of every route")[2].partition("\n## ")[0]
    paths: dict[str, Any] = (await described(data))["paths"]
    methods = {"get", "post", "put", "patch", "delete"}
    found = {
        (method.upper(), path.replace("/tasks/report", "/tasks/{task}")): operation
        for path, item in paths.items()
        for method, operation in item.items()
        if method in methods
    }
    assert set(told) == set(found) | UNTOLD
    missing = [
        f"{' '.join(route)}: {word}"
        for route, operation in found.items()
        for status, response in operation["responses"].items()
        for word in _words(status, response.get("description", ""))
        if word not in told[route] + common
    ]
    assert not missing, "\n".join(missing)


def _words(status: str, description: str) -> list[str]:
    """What the text of a route has to hold for one of its answers."""
    codes = re.findall(r"^- (`[a-z-]+`)", description, re.MULTILINE)
    return [*codes, status] if status.isdigit() else codes
