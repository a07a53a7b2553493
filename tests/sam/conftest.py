"""The template of the sample application, made once."""

from __future__ import annotations

from typing import Any

import pytest

from ringback.sam import document, plan, text
from tests.sam.shop import rb

TARGET = "tests.sam.shop:rb"


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """As data, with functions in their long form."""
    return document(rb, plan(rb, TARGET))


@pytest.fixture(scope="session")
def written() -> str:
    """As it is written."""
    return text(rb, plan(rb, TARGET))
