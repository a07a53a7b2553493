"""The documents' links lead somewhere, and the checker that says so would notice if not."""

from pathlib import Path

import pytest

from docs import check

ROOT = Path(__file__).resolve().parent.parent


def test_links_lead_somewhere() -> None:
    wrong = check.problems(ROOT)
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for name in (*check.TOP_LEVEL, "docs/guide.md"):
        (tmp_path / name).write_text("# A title, `with code`\n\n## Again\n\n## Again\n")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "[a](docs/guide.md)",
        "[a](docs/guide.md#a-title-with-code)",
        "[a](docs/guide.md#again-1 'titled')",
        "[a](<docs/guide.md>)",
        "[a][b]\n\n[b]: docs/guide.md#again",
        '<a href="docs/">folder</a>',
        '<a id="here"></a>[a](#here)',
        "[a](https://example.com/nowhere)",
        "`[a](nowhere.md)` and ``[b](`nowhere.md)``",
        "```md\n[a](nowhere.md)\n```",
        "~~~~\n~~~\n[a](nowhere.md)\n~~~~",
    ],
)
def test_accepts(site: Path, text: str) -> None:
    (site / "README.md").write_text(text)
    assert check.problems(site) == []


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[a](nowhere.md)", "README.md:1: (nowhere.md) no such file"),
        ("\n\n![a](nowhere.png)", "README.md:3: (nowhere.png) no such file"),
        ("[a](docs/guide.md#gone)", "no such heading; there are: a-title-with-code, again"),
        ("[a](#gone)", "no such heading"),
        ("[a][b]\n\n[b]: gone.md", "README.md:3:"),
        ('<img src="gone.svg">', "(gone.svg) no such file"),
        ("[a](/docs/guide.md)", "write it relative"),
        ("[a](../outside.md)", "leaves the repository"),
        ("```\n```\n[a](nowhere.md)", "README.md:3:"),
    ],
)
def test_catches(site: Path, text: str, cause: str) -> None:
    (site / "README.md").write_text(text)
    (only,) = check.problems(site)
    assert cause in only


def test_catches_a_missing_document(site: Path) -> None:
    (site / "CHANGELOG.md").unlink()
    assert check.problems(site) == ["CHANGELOG.md: missing"]
