"""Close codes: which bring a client back, and that RFC 6455 lets them be sent."""

import re
from pathlib import Path
from typing import Any

import pytest

from ringback.edges.websocket import session
from ringback.wire import websocket
from ringback.wire.close_codes import CloseCode, may_reconnect
from tests.wire.protocol_vectors import vectors

VECTORS = vectors("close-codes")
UNSENT = {CloseCode.NO_CODE, CloseCode.LOST}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["code"]))
def test_whether_to_come_back(vector: dict[str, Any]) -> None:
    assert may_reconnect(vector["code"]) is vector["reconnect"]


def test_every_code_has_its_vector() -> None:
    named = {vector["name"]: vector["code"] for vector in VECTORS if "name" in vector}
    assert named == {code.name: code.value for code in CloseCode}


@pytest.mark.parametrize("code", range(4400, 4600))
def test_our_own_are_decided_by_range(code: int) -> None:
    assert may_reconnect(code) is (code >= 4500)


@pytest.mark.parametrize("code", [code for code in CloseCode if code >= 4000])
def test_every_code_of_ours_is_sent(code: CloseCode) -> None:
    edge = Path(session.__file__).parent
    sent = re.compile(rf"\bclose\(\s*CloseCode\.{code.name}\b")
    assert any(sent.search(path.read_text()) for path in edge.glob("*.py"))


@pytest.mark.parametrize("code", set(CloseCode) - UNSENT)
def test_all_but_two_may_be_sent(code: CloseCode) -> None:
    assert websocket.close(code)
