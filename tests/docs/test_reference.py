"""The reference says what the code says."""

import re

import pytest

from docs import generate
from ringback.settings import Settings
from tests.docs.test_pages import ROOT
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
    beside = {"URL", "TOKEN", "SETTINGS"}
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
