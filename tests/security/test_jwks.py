"""The issuer's keys, fetched from a real server: rotation, absence, nonsense."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwk

from ringback.errors import CapacityError, Unauthenticated
from ringback.security import jwks
from ringback.security.jwt import Authenticator
from ringback.settings import Settings
from tests.edges.application import served
from tests.security.keys import claims_of, sign
from tests.serving import serve, until

OLD = jwk.RSAKey.generate_key(2048, {"kid": "old", "use": "sig", "alg": "RS256"})
NEW = jwk.ECKey.generate_key("P-256", {"kid": "new"})


class Issuer:
    """A server that publishes keys."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.asked = 0
        self.answering = asyncio.Event()
        self.answering.set()
        self.url = ""

    def publish(self, *keys: Any) -> None:
        published = [key if isinstance(key, dict) else key.as_dict(private=False) for key in keys]
        self.body = json.dumps({"keys": published}).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.asked += 1
        await self.answering.wait()
        headers = [(b"content-type", b"application/json"), (b"location", b"/elsewhere")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with serve(issuer, lifespan="off") as url:
        issuer.url = f"{url}/keys"
        yield issuer
        issuer.answering.set()


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def authenticator(issuer: Issuer, clock: Clock | None = None) -> Authenticator:
    return Authenticator(Settings(jwks_url=issuer.url), clock or Clock())


def token(key: Any, algorithm: str, **header: Any) -> str:
    # Each is another token, so that none is answered from memory.
    return sign(claims_of(exp=None, jti=str(time.perf_counter_ns())), key, algorithm, **header)


async def test_keys_are_fetched_once(issuer: Issuer) -> None:
    issuer.publish(OLD)
    wanted = authenticator(issuer)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(wanted.claims(token(OLD, "RS256", kid="old")))
    assert issuer.asked == 1


async def test_a_key_that_is_rotated_in_is_found(issuer: Issuer) -> None:
    clock = Clock()
    issuer.publish(OLD)
    wanted = authenticator(issuer, clock)
    await wanted.claims(token(OLD, "RS256", kid="old"))
    issuer.publish(OLD, NEW)
    clock.now += jwks.PAUSE
    assert (await wanted.claims(token(NEW, "ES256", kid="new"))).subject == "ann"
    assert issuer.asked == 2
    await wanted.claims(token(OLD, "RS256", kid="old"))
    assert issuer.asked == 2


async def test_a_key_that_is_rotated_out_is_refused(issuer: Issuer) -> None:
    clock = Clock()
    issuer.publish(OLD, NEW)
    wanted = authenticator(issuer, clock)
    signed = sign(claims_of(exp=None), OLD, "RS256", kid="old")
    await wanted.claims(signed)
    issuer.publish(NEW)
    clock.now += jwks.LIFETIME + 1
    await wanted.claims(signed)  # with the keys we have, while new ones are fetched
    await until(lambda: issuer.asked == 2)
    clock.now += 61  # a token that was verified is remembered for a minute

    async def is_refused() -> bool:
        try:
            await wanted.claims(token(OLD, "RS256", kid="old"))
        except Unauthenticated:
            return True
        return False

    assert await until(is_refused)
    with pytest.raises(Unauthenticated):
        await wanted.claims(signed)


async def test_unknown_keys_do_not_hammer_the_issuer(issuer: Issuer) -> None:
    clock = Clock()
    issuer.publish(OLD)
    wanted = authenticator(issuer, clock)
    for round_ in range(1, 4):
        for number in range(20):
            with pytest.raises(Unauthenticated, match="key"):
                await wanted.claims(token(NEW, "ES256", kid=f"{round_}-{number}"))
        assert issuer.asked == round_
        clock.now += jwks.PAUSE + 1


async def test_a_token_without_a_key_id_is_tried_with_every_key(issuer: Issuer) -> None:
    other = jwk.ECKey.generate_key("P-256", {"kid": "other"})
    issuer.publish(OLD, other, NEW)
    wanted = authenticator(issuer)
    assert (await wanted.claims(token(NEW, "ES256"))).subject == "ann"
    assert (await wanted.claims(token(OLD, "RS256"))).subject == "ann"
    with pytest.raises(Unauthenticated):
        await wanted.claims(token(jwk.ECKey.generate_key("P-256"), "ES256"))


async def test_a_key_for_something_else_is_not_used(issuer: Issuer) -> None:
    encryption = jwk.ECKey.generate_key("P-256", {"kid": "enc", "use": "enc"})
    bound = jwk.RSAKey.generate_key(2048, {"kid": "bound", "alg": "RS512"})
    issuer.publish(encryption, bound)
    wanted = authenticator(issuer)
    for signed in (
        token(
            jwk.ECKey.import_key({**encryption.as_dict(private=True), "use": "sig"}),
            "ES256",
            kid="enc",
        ),
        token(
            jwk.RSAKey.import_key({**bound.as_dict(private=True), "alg": "RS256"}),
            "RS256",
            kid="bound",
        ),
    ):
        with pytest.raises(Unauthenticated):
            await wanted.claims(signed)


async def test_a_secret_in_the_set_verifies_nothing(issuer: Issuer) -> None:
    secret = jwk.OctKey.generate_key(256, {"kid": "shared"})
    issuer.publish(secret.as_dict(private=True), OLD)
    wanted = authenticator(issuer)
    with pytest.raises(Unauthenticated):
        await wanted.claims(token(secret, "HS256", kid="shared"))
    await wanted.claims(token(OLD, "RS256", kid="old"))


async def test_what_is_not_understood_is_left_out(issuer: Issuer) -> None:
    issuer.publish(
        {"kty": "AKP", "kid": "quantum", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "RSA"},
        {"kty": 7},
        {},
        OLD,
    )
    assert (await authenticator(issuer).claims(token(OLD, "RS256", kid="old"))).subject == "ann"


async def test_an_issuer_that_is_away_locks_nobody_out_who_was_known(issuer: Issuer) -> None:
    clock = Clock()
    issuer.publish(OLD)
    wanted = authenticator(issuer, clock)
    await wanted.claims(token(OLD, "RS256", kid="old"))
    issuer.status, issuer.body = 500, b""
    for _ in range(3):
        clock.now += jwks.LIFETIME + 1
        assert (await wanted.claims(token(OLD, "RS256", kid="old"))).subject == "ann"
    await until(lambda: issuer.asked == 4)


async def test_an_issuer_that_hangs_keeps_nobody_waiting_who_was_known(issuer: Issuer) -> None:
    clock = Clock()
    issuer.publish(OLD)
    wanted = authenticator(issuer, clock)
    await wanted.claims(token(OLD, "RS256", kid="old"))
    issuer.answering.clear()
    clock.now += jwks.LIFETIME + 1
    assert (await wanted.claims(token(OLD, "RS256", kid="old"))).subject == "ann"
    await until(lambda: issuer.asked == 2)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (302, b""),
        (200, b"not json"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"keys": 7}'),
        (200, b'{"keys": []}'),
        (200, b'{"keys": [7, {"kty": "oct", "k": "AAAA"}]}'),
        (200, b'{"keys": [' + b" " * jwks.MAX_SIZE + b"]}"),
    ],
)
async def test_without_keys_nobody_can_be_known(issuer: Issuer, status: int, body: bytes) -> None:
    issuer.status, issuer.body = status, body
    wanted = authenticator(issuer)
    with pytest.raises(CapacityError) as caught:
        await wanted.claims(token(OLD, "RS256", kid="old"))
    assert caught.value.status == 503
    assert caught.value.retry_after


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1:1/keys", "keys", "http:"])
async def test_keys_come_over_http_alone(url: str) -> None:
    with pytest.raises(CapacityError):
        await Authenticator(Settings(jwks_url=url), Clock()).claims(token(OLD, "RS256", kid="old"))


async def test_an_answer_that_never_ends_is_not_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "LONGEST", 0.5)
    gone = asyncio.Event()

    async def drip(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        left = asyncio.ensure_future(receive())
        while not left.done():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.wait([left], timeout=0.05)
        gone.set()

    async with serve(drip, lifespan="off") as url:
        wanted = Authenticator(Settings(jwks_url=url), Clock())
        with pytest.raises(CapacityError):
            await wanted.claims(token(OLD, "RS256", kid="old"))
        await asyncio.wait_for(gone.wait(), 30)


async def test_a_head_that_never_ends_keeps_neither_the_caller_nor_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jwks, "LONGEST", 0.2)
    over = asyncio.Event()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        await over.wait()
        writer.close()
        await writer.wait_closed()

    def fetching() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name == "ringback-keys"]

    async with await asyncio.start_server(begin, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        wanted = Authenticator(Settings(jwks_url=f"http://127.0.0.1:{port}/keys"), Clock())
        with pytest.raises(CapacityError):
            await wanted.claims(token(OLD, "RS256", kid="old"))
        assert "more than 0.2 seconds" in caplog.text
        assert fetching()
        assert all(each.daemon for each in fetching())
        over.set()
        assert await until(lambda: not fetching())


def test_authorities_are_there_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, "/nowhere")
    assert jwks._trust().cert_store_stats()["x509_ca"]


async def test_an_issuer_that_is_not_there_is_503_and_then_found(data: Path) -> None:
    issuer = Issuer()
    issuer.publish(OLD)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(issuer, lifespan="off"))
        await stack.aclose()
        caller = await stack.enter_async_context(served(data, jwks_url=f"{url}/keys"))
        headers = {"Authorization": f"Bearer {token(OLD, 'RS256', kid='old')}"}
        answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=headers)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "10"
        assert answer.headers["content-type"] == "application/problem+json"
        # Those who need no token are served all the same.
        assert (await caller.http.get("/healthz")).status_code == 200
        public = await caller.http.post("/tasks/announce", json={"text": "x"})
        assert public.status_code == 202


async def test_over_http_a_caller_is_known_by_the_issuers_key(data: Path, issuer: Issuer) -> None:
    issuer.publish(NEW)
    async with served(data, jwks_url=issuer.url) as caller:

        async def post(authorization: str) -> httpx.Response:
            return await caller.http.post(
                "/tasks/double", json={"n": 1}, headers={"Authorization": authorization}
            )

        good = await post(f"Bearer {token(NEW, 'ES256', kid='new')}")
        assert good.status_code == 202
        wrong = await post(f"Bearer {token(OLD, 'RS256', kid='old')}")
        assert wrong.status_code == 401
