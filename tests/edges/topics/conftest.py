"""What the tests of topics share."""

import pytest

from tests.edges.topics.application import PATHS


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    """How streams leave."""
    return str(request.param)
