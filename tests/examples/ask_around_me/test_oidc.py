"""Signing in at an issuer of OpenID Connect, over HTTP: discovery, keys, and what is not taken."""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwk, jws
from joserfc.util import urlsafe_b64encode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ringback.security import jwks
from tests.examples.ask_around_me.people import HERE, Json, Person, asking, served
from tests.serving import serve

AUDIENCE = "https://ask.example"


FIRST, SECOND, THIRD = (
    jwk.RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})
    for kid in ("first", "second", "third")
)


class Issuer:
    """An issuer as OpenID Connect Discovery 1.0 describes it, with the keys it has right now."""

    def __init__(self) -> None:
        self.url = ""
        self.keys = [FIRST]

    async def discovery(self, request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
                "subject_types_supported": ["public"],
                "response_types_supported": ["code"],
            }
        )

    async def published(self, request: Request) -> JSONResponse:
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.keys]})

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/keys", self.published),
            ]
        )

    def claims(self, **others: Any) -> Json:
        now = int(time.time())
        given: Json = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "auth|1",
            "iat": now,
            "exp": now + 600,
        }
        # Each is another token, so that none is answered from memory.
        given |= {"jti": str(uuid.uuid4()), "name": "Ada", **others}
        return {name: value for name, value in given.items() if value is not None}

    def token(self, key: jwk.RSAKey | None = None, **others: Any) -> str:
        key = key or self.keys[-1]
        # As ASCII: a name may have what cannot be written otherwise.
        payload = json.dumps(self.claims(**others))
        return jws.serialize_compact({"alg": "RS256", "kid": key.kid}, payload, key)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with serve(issuer.app) as url:
        issuer.url = url
        yield issuer


@pytest.fixture
async def ada(data: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Person]:
    """Somebody without a token, at an example whose keys are where the issuer says they are."""
    async with httpx.AsyncClient() as client:
        found = (await client.get(f"{issuer.url}/.well-known/openid-configuration")).json()
    monkeypatch.setenv("RINGBACK_JWKS_URL", found["jwks_uri"])
    monkeypatch.setenv("RINGBACK_JWT_ISSUER", found["issuer"])
    monkeypatch.setenv("RINGBACK_JWT_AUDIENCE", AUDIENCE)
    async with served(data) as url, Person(base_url=url, timeout=60) as made:
        yield made


def show(person: Person, token: str) -> None:
    person.headers["Authorization"] = f"Bearer {token}"


async def statuses(person: Person, token: str) -> set[int]:
    """What a token is answered with: by our own routes, and by the tasks."""
    show(person, token)
    read = await person.get("/api/questions", params=HERE)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    return {
        read.status_code,
        (await person.post("/tasks/ask", json=asking(), headers=key)).status_code,
    }


async def test_its_people_ask_and_answer_as_themselves(ada: Person, issuer: Issuer) -> None:
    assert (await ada.post("/api/session", json={"name": "Ada"})).status_code == 404
    config = (await ada.get("/api/config")).json()
    assert config["sign_in"] == {"kind": "oidc", "issuer": issuer.url, "audience": AUDIENCE}
    show(ada, issuer.token(aud=["https://other.example", AUDIENCE]))
    asked = await ada.ask()
    assert asked["author"] == {"id": "auth|1", "name": "Ada"}
    show(ada, issuer.token(sub="auth|2", name=None, preferred_username="ben"))
    await ada.done("answer", {"question": asked["id"], "stars": 4})
    seen = await ada.look(asked["id"])
    assert seen["question"]["answers"]["count"] == 1
    assert seen["mine"]["stars"] == 4
    assert (await ada.ask())["author"] == {"id": "auth|2", "name": "ben"}


async def test_keys_are_rotated_in_and_out(
    ada: Person, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "PAUSE", 0.0)
    assert await statuses(ada, issuer.token()) == {200, 202}
    issuer.keys.append(SECOND)
    assert await statuses(ada, issuer.token()) == {200, 202}
    assert await statuses(ada, issuer.token(FIRST)) == {200, 202}
    del issuer.keys[0]
    issuer.keys.append(THIRD)
    assert await statuses(ada, issuer.token()) == {200, 202}
    assert await statuses(ada, issuer.token(FIRST)) == {401}


async def test_nothing_else_is_taken_for_its_word(ada: Person, issuer: Issuer) -> None:
    foreign = jwk.RSAKey.import_key({**THIRD.as_dict(private=True), "kid": "first"})
    body = issuer.token().split(".")[1]
    none = urlsafe_b64encode(b'{"alg":"none"}').decode()
    now = int(time.time())
    wrong = {
        "another audience": issuer.token(aud="https://other.example"),
        "no audience": issuer.token(aud=None),
        "another issuer": issuer.token(iss="https://other.example"),
        "expired": issuer.token(exp=now - 60),
        "not valid yet": issuer.token(nbf=now + 600),
        "nobody": issuer.token(sub=None),
        "another key of the same name": issuer.token(foreign),
        "a key that nobody knows": issuer.token(SECOND),
        "alg none": f"{none}.{body}.",
        "alg none, signed": f"{none}.{body}.AAAA",
        # The public key, which everybody has, as a shared secret (RFC 8725 §2.1).
        "confused": _hs256(issuer.claims(), FIRST.as_pem(private=False)),
        "changed": _changed(issuer.token()),
    }
    for what, token in wrong.items():
        assert await statuses(ada, token) == {401}, what
    assert await statuses(ada, issuer.token()) == {200, 202}


def _hs256(claims: Json, secret: bytes) -> str:
    """By hand: the library lets nobody sign with a public key."""
    parts = ({"alg": "HS256", "kid": FIRST.kid}, claims)
    signed = ".".join(urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts)
    mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{urlsafe_b64encode(mac).decode()}"


def _changed(token: str) -> str:
    head, body, signature = token.split(".")
    return f"{head}.{body}.{signature[:-8]}{'A' * 8}"


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        ({"name": "  Ada \n Lovelace "}, "Ada Lovelace"),
        ({"name": "\u202eadA\u202c"}, "adA"),
        ({"name": "A\x00d\x9fa"}, "A d a"),
        ({"name": "x" * 5000}, "x" * 40),
        ({"name": "Ada \ud800"}, "Ada"),  # half a character, which no store takes
        ({"name": "\u200b\u0301", "preferred_username": "ada"}, "ada"),
        ({"name": {"given": "Ada"}, "preferred_username": "\u2066"}, "Somebody"),
        ({"name": None}, "Somebody"),
    ],
)
async def test_a_name_is_shown_as_far_as_it_can_be(
    ada: Person, issuer: Issuer, claims: Json, shown: str
) -> None:
    show(ada, issuer.token(**claims))
    assert (await ada.ask())["author"]["name"] == shown
