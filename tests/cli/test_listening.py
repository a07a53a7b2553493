"""On which addresses a server listens."""

import socket
from collections.abc import Iterator

import pytest

from ringback import Claims, Ringback
from ringback.errors import ConfigurationError
from ringback.serve.listening import listen, url_of

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    sockets: list[socket.socket] = []
    yield sockets
    for bound in sockets:
        bound.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_loopback_needs_no_key(host: str, opened: list[socket.socket]) -> None:
    opened.extend(listen(Ringback(host=host, port=0)))
    port = opened[0].getsockname()[1]
    assert {bound.getsockname()[1] for bound in opened} == {port}
    with socket.create_connection((host, port)):
        pass
    assert url_of(host, opened) == f"http://{host}:{port}"


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::"])
def test_anything_else_does(host: str, opened: list[socket.socket]) -> None:
    with pytest.raises(ConfigurationError, match="RINGBACK_JWT_SECRET"):
        listen(Ringback(host=host, port=0))
    opened.extend(listen(Ringback(host="0.0.0.0", port=0, jwt_secret=KEY)))
    opened.extend(listen(Ringback(host="0.0.0.0", port=0, authenticate=lambda headers: Claims())))


def test_a_free_port_is_refused_to_a_second(opened: list[socket.socket]) -> None:
    opened.extend(listen(Ringback(port=0)))
    with pytest.raises(ConfigurationError, match="is taken"):
        listen(Ringback(port=opened[0].getsockname()[1]))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.77"])
def test_a_host_that_is_not_this_machine(host: str) -> None:
    with pytest.raises(ConfigurationError, match="--host 127"):
        listen(Ringback(host=host, port=0, jwt_secret=KEY))


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")],
)
def test_the_address_people_are_given(host: str, shown: str, opened: list[socket.socket]) -> None:
    opened.extend(listen(Ringback(port=0)))
    assert url_of(host, opened) == f"http://{shown}:{opened[0].getsockname()[1]}"
