"""Every example in the documents does what the document says."""

import shutil
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.docs.session import Session

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

pytestmark = [
    pytest.mark.skipif(
        shutil.which("bash") is None or shutil.which("curl") is None,
        reason="the examples are for bash and curl, which this machine lacks",
    ),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_work(page: Path, tmp_path: Path) -> None:
    with Session(str(page.relative_to(ROOT)), tmp_path) as session:
        session.run(blocks(page))
