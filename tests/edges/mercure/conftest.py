"""What the tests of Mercure share."""

import pytest

from tests.edges.mercure.hub import PATHS


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    """How streams leave."""
    return str(request.param)
