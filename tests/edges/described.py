"""Whatever is asked, the server answers as `/openapi.json` says: schemathesis asks.

`test_described.py` runs these. What is asked is made up while tests are collected, which takes
seconds, and each worker of a run collects them all.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from ringback.edges.http.openapi import document
from tests.edges.application import rb
from tests.serving import ServerProcess
from tests.thorough import examples

EXCLUDED = [
    # Some rules join two members, and what a caller may not see answers as if it were not there.
    checks.positive_data_acceptance,
    # Types are read as pydantic reads them ("1" is a number), and headers liberally.
    checks.negative_data_rejection,
    # The token that a link carries along is a good one, and not a made-up credential.
    checks.ignored_auth,
]
SETTINGS = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data: Path = tmp_path_factory.mktemp("schemathesis") / "data"
    with ServerProcess("tests.edges.application:rb", data=data, grace=0, max_wait=0.2) as server:
        yield server.url
        assert not re.search(r"[A-Z]+ \S+ failed\.", server.output)


every = schemathesis.openapi.from_dict(document("edges", rb.registry, "", development=True))


@every.parametrize()
@SETTINGS
def test_every_route_answers_as_described(url: str, case: Any) -> None:
    case.call_and_validate(base_url=url, excluded_checks=EXCLUDED)


def test_what_one_answer_links_to_answers_as_described(url: str) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json").exclude(
        operation_id="follow_operation"  # it answers until the operation ends
    )

    class Following(schema.as_state_machine()):  # type: ignore[misc]
        def validate_response(self, response, case, **options):  # type: ignore[no-untyped-def]
            case.validate_response(response, excluded_checks=EXCLUDED)

    Following.run(
        settings=settings(
            max_examples=examples(20),
            stateful_step_count=6,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
    )
