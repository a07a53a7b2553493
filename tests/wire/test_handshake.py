"""The opening handshake, clause by clause of RFC 6455, 4.2, and what is agreed on in it."""

import pytest

from ringback.wire import deflate, handshake
from ringback.wire.handshake import Handshake, Refused

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # of the RFC's example, as its answer
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

REQUEST = {
    b"host": b"server.example.com",
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-key": KEY,
    b"sec-websocket-version": b"13",
}


def check(
    changed: dict[bytes, bytes | None] | None = None,
    *more: tuple[bytes, bytes],
    method: bytes = b"GET",
    version: str = "1.1",
) -> Handshake:
    fields = REQUEST | (changed or {})
    headers = [(name, value) for name, value in fields.items() if value is not None]
    return handshake.check(method, version, [*headers, *more])


def test_the_example_is_answered() -> None:
    asked = check({b"sec-websocket-protocol": b"chat, superchat"})
    assert asked == Handshake(KEY, (b"chat", b"superchat"), ())
    chosen = handshake.choose_protocol(asked.protocols, [b"other", b"chat"])
    assert handshake.answer(asked.key, protocol=chosen) == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n"
        b"Sec-WebSocket-Protocol: chat\r\n"
        b"\r\n"
    )


def test_the_key_may_be_text() -> None:
    assert handshake.accept_key(KEY) == handshake.accept_key(KEY.decode()) == ACCEPT


def test_an_answer_carries_more_headers() -> None:
    answer = handshake.answer(KEY, extension=b"x; y", headers=[(b"Set-Cookie", b"a=b")])
    assert answer.endswith(
        ACCEPT + b"\r\nSec-WebSocket-Extensions: x; y\r\nSet-Cookie: a=b\r\n\r\n"
    )


@pytest.mark.parametrize("value", [b"a\r\nEvil: 1", b"a\nb", b"a\rb"])
def test_no_header_is_smuggled_into_an_answer(value: bytes) -> None:
    with pytest.raises(ValueError, match="line end"):
        handshake.answer(KEY, headers=[(b"X", value)])


@pytest.mark.parametrize(
    "changed",
    [
        {b"upgrade": b"WebSocket"},
        {b"upgrade": b"h2c, websocket"},
        {b"connection": b"keep-alive, UPGRADE"},
        {b"sec-websocket-key": b" " + KEY + b"\t"},
    ],
)
def test_what_is_as_good(changed: dict[bytes, bytes | None]) -> None:
    assert check(changed).key == KEY


def test_lists_may_come_in_several_lines() -> None:
    asked = check(
        {b"connection": b"keep-alive", b"sec-websocket-protocol": b"a,, b"},
        (b"connection", b"Upgrade"),
        (b"sec-websocket-protocol", b"c"),
        (b"sec-websocket-extensions", b"x"),
        (b"sec-websocket-extensions", b"y; z"),
    )
    assert asked.protocols == (b"a", b"b", b"c")
    assert asked.extensions == ((b"x", ()), (b"y", ((b"z", None),)))


@pytest.mark.parametrize(
    ("status", "changed"),
    [
        (426, {b"upgrade": None}),
        (426, {b"upgrade": b"h2c"}),
        (426, {b"sec-websocket-version": None}),
        (426, {b"sec-websocket-version": b"8"}),
        (426, {b"sec-websocket-version": b"13, 8"}),
        (400, {b"connection": None}),
        (400, {b"connection": b"keep-alive"}),
        (400, {b"host": None}),
        (400, {b"sec-websocket-key": None}),
        (400, {b"sec-websocket-key": b""}),
        (400, {b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25j"}),
        (400, {b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZTE3"}),
        (400, {b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ"}),
        (400, {b"sec-websocket-key": b"dGhlIHNhbXBs!ZSBub25jZQ=="}),
        (400, {b"sec-websocket-key": b"dGhlIHNhbXBs\xfcSBub25jZQ=="}),
    ],
)
def test_what_is_no_handshake_is_refused(status: int, changed: dict[bytes, bytes | None]) -> None:
    with pytest.raises(Refused) as caught:
        check(changed)
    assert caught.value.status == status
    if status == 426:  # RFC 9110, 15.5.22: it names what to upgrade to
        assert (b"upgrade", b"websocket") in caught.value.headers


def test_another_version_is_told_ours() -> None:
    with pytest.raises(Refused) as caught:
        check({b"sec-websocket-version": b"7"})
    assert (b"sec-websocket-version", b"13") in caught.value.headers


def test_two_keys_are_refused() -> None:
    with pytest.raises(Refused) as caught:
        check({}, (b"sec-websocket-key", KEY))
    assert caught.value.status == 400


def test_the_method_and_the_version_of_http_count() -> None:
    with pytest.raises(Refused) as caught:
        check(method=b"POST")
    assert (caught.value.status, caught.value.headers) == (405, ((b"allow", b"GET"),))
    with pytest.raises(Refused) as caught:
        check(version="1.0")
    assert caught.value.status == 426


@pytest.mark.parametrize(
    ("offered", "spoken", "chosen"),
    [
        ((), [b"a"], None),
        ((b"a",), [], None),
        ((b"a", b"b"), [b"b", b"a"], b"a"),
        ((b"x", b"b"), [b"b", b"a"], b"b"),
        ((b"A",), [b"a"], None),
    ],
)
def test_the_client_s_preferred_subprotocol_is_chosen(
    offered: tuple[bytes, ...], spoken: list[bytes], chosen: bytes | None
) -> None:
    assert handshake.choose_protocol(offered, spoken) == chosen


@pytest.mark.parametrize(
    ("value", "extensions"),
    [
        (b"", ()),
        (b" , ,", ()),
        (b"a", ((b"a", ()),)),
        (b"a ;b = 1; c , d", ((b"a", ((b"b", b"1"), (b"c", None))), (b"d", ()))),
        (b'a; b="12"', ((b"a", ((b"b", b"12"),)),)),
        (b"a, a;b", ((b"a", ()), (b"a", ((b"b", None),)))),
    ],
)
def test_extensions_are_read(value: bytes, extensions: object) -> None:
    assert check({b"sec-websocket-extensions": value}).extensions == extensions


@pytest.mark.parametrize(
    "value",
    [b";", b"a;", b"a; ;b", b"a b", b"a=1", b"a; b=", b"a; =b", b'a; b="', b'a; b="c,d"', b"a/b"],
)
def test_extensions_that_are_malformed_are_refused(value: bytes) -> None:
    with pytest.raises(Refused) as caught:
        check({b"sec-websocket-extensions": value})
    assert caught.value.status == 400


PLAIN = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
WINDOW = PLAIN + b"; server_max_window_bits=12"


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        (b"", None),
        (b"x-webkit-deflate-frame", None),
        (b"permessage-deflate", PLAIN),
        (b"permessage-deflate; client_max_window_bits", PLAIN),
        (b"permessage-deflate; client_max_window_bits=8", PLAIN),
        (b"permessage-deflate; server_no_context_takeover; client_no_context_takeover", PLAIN),
        (b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", WINDOW),
        (b'permessage-deflate; server_max_window_bits="15"', WINDOW),
        (b"permessage-deflate; server_max_window_bits=11", None),
        (b"permessage-deflate; server_max_window_bits=8, permessage-deflate", PLAIN),
        (b"x-other, permessage-deflate", PLAIN),
        # RFC 7692, 7.1: an offer with any of these is declined.
        (b"permessage-deflate; unknown", None),
        (b"permessage-deflate; server_no_context_takeover=1", None),
        (b"permessage-deflate; client_no_context_takeover=1", None),
        (b"permessage-deflate; server_max_window_bits", None),
        (b"permessage-deflate; server_max_window_bits=012", None),
        (b"permessage-deflate; server_max_window_bits=16", None),
        (b"permessage-deflate; server_max_window_bits=7", None),
        (b"permessage-deflate; server_max_window_bits=x", None),
        (b"permessage-deflate; client_max_window_bits=16", None),
        (b"permessage-deflate; client_max_window_bits; client_max_window_bits", None),
    ],
)
def test_an_offer_of_compression_is_answered(offer: bytes, answer: bytes | None) -> None:
    assert deflate.choose(check({b"sec-websocket-extensions": offer}).extensions) == answer
