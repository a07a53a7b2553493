"""The acknowledgement that is made without its fields has the bytes that they would have."""

import msgspec
import pytest

from ringback.core.model import OperationState, Policy
from ringback.core.view import operation_fields
from ringback.edges.http.message import Request
from ringback.edges.http.representation import fresh, links
from ringback.ids import new_id


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize("now", [0.0, 1_795_289_013.9994, 4_000_000_000.5])
def test_a_fresh_acknowledgement_is_the_encoding_of_its_fields(prefix: str, now: float) -> None:
    state = OperationState(
        id=new_id(now),
        task="report.daily:v-2",
        input=b"{}",
        policy=Policy(),
        subject="alice",
        created_at=now,
        updated_at=now,
        ready_at=now,
    )
    scope = {"method": "POST", "root_path": prefix, "path": f"{prefix}/tasks/x", "headers": []}
    request = Request(scope, _receive)
    own = f"{request.prefix}/operations/{state.id}"
    fields = operation_fields(state) | {
        "links": links(request, state.id),
        "token": "rbo_abc-_",
        "token_expires_at": "2030-01-01T00:00:00.000Z",
    }
    made = fresh(state, own, "rbo_abc-_", "2030-01-01T00:00:00.000Z")
    assert made == msgspec.json.encode(fields)


async def _receive() -> dict[str, object]:
    raise AssertionError("nothing is received")
