"""Signing in with a name, staying signed in, signing out; and with an issuer instead."""

import asyncio
import stat
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from joserfc import jwk, jwt

from examples.ask_around_me import signin, store
from ringback.settings import Settings
from tests.examples.ask_around_me.people import HERE, Person, asking, served


async def test_a_name_is_enough(data: Path) -> None:
    async with served(data) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/api/session", json={"name": "  Ada\n Lovelace "})
        session = answer.json()
        assert session["person"]["name"] == "Ada Lovelace"
        assert session["expires_in"] == 3600
        cookie = answer.headers["set-cookie"].lower()
        for part in ("httponly", "samesite=strict", "path=/api/session"):
            assert part in cookie
        assert answer.headers["cache-control"] == "no-store"
        other = (await client.post("/api/session", json={"name": "Ada Lovelace"})).json()
        assert other["person"]["id"] != session["person"]["id"], "a name is not a person"
        for wrong in ("", " ", "x" * 41, "a\x07", "\u200b\u200b", "\u0301", "a\u202e"):
            assert (await client.post("/api/session", json={"name": wrong})).status_code == 422


async def test_the_cookie_brings_fresh_tokens_of_the_same_person(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        again = await ada.post("/api/session/refresh")
        assert again.status_code == 200
        assert again.json()["person"] == ada.person
        ada.headers["Authorization"] = f"Bearer {again.json()['token']}"
        assert (await ada.ask())["author"] == ada.person
        async with httpx.AsyncClient(base_url=url) as nobody:
            assert (await nobody.post("/api/session/refresh")).status_code == 401
            nobody.cookies.set(signin.COOKIE, ada.headers["Authorization"].partition(" ")[2])
            refused = await nobody.post("/api/session/refresh")
            assert refused.status_code == 401, "a token is no session"


async def test_a_session_is_no_token(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        cookie = ada.cookies[signin.COOKIE]
        answer = await ada.post(
            "/tasks/ask",
            json=asking(),
            headers={"Authorization": f"Bearer {cookie}", "Idempotency-Key": str(uuid.uuid4())},
        )
        assert answer.status_code == 401


async def test_signed_out_nothing_is_good_any_more(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        cookie = ada.cookies[signin.COOKIE]
        assert (await ada.delete("/api/session")).status_code == 204
        assert signin.COOKIE not in ada.cookies
        assert (await ada.get("/api/questions", params=HERE)).status_code == 401
        submitted = await ada.post("/tasks/ask", json=asking(), headers={"Idempotency-Key": "k"})
        assert submitted.status_code == 401
        async with httpx.AsyncClient(base_url=url, cookies={signin.COOKIE: cookie}) as thief:
            assert (await thief.post("/api/session/refresh")).status_code == 401


@pytest.mark.parametrize("how", ["expired", "foreign key", "unsigned", "nonsense"])
async def test_wrong_tokens_are_refused_everywhere(data: Path, how: str) -> None:
    async with served(data) as url, Person.of(url) as ada:
        now = int(time.time())
        claims = {"sub": ada.person["id"], "name": "Ada", "iat": now - 9000, "exp": now + 9000}
        kept = jwk.OctKey.import_key((data / signin.SECRET).read_text())
        if how == "expired":
            token = jwt.encode({"alg": "HS256"}, claims | {"exp": now - 5000}, kept)
        elif how == "foreign key":
            token = jwt.encode({"alg": "HS256"}, claims, jwk.OctKey.generate_key(256))
        elif how == "unsigned":
            token = "eyJhbGciOiJub25lIn0." + ada.headers["Authorization"].split(".")[1] + "."
        else:
            token = "nonsense"
        headers = {"Authorization": f"Bearer {token}"}
        assert (await ada.get("/api/questions", params=HERE, headers=headers)).status_code == 401
        headers["Idempotency-Key"] = str(uuid.uuid4())
        assert (await ada.post("/tasks/ask", json=asking(), headers=headers)).status_code == 401


async def test_an_old_session_has_ended(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        made = signin.SignIn(Settings(data=data))
        past = int(time.time()) - signin.SESSION_LIFETIME - 60
        claims = {"sub": "p", "name": "Ada", "iat": past, "exp": past + signin.SESSION_LIFETIME}
        cookie = jwt.encode({"alg": "HS256"}, claims, made._session_key)
        ada.cookies.clear()
        ada.cookies.set(signin.COOKIE, cookie)
        assert (await ada.post("/api/session/refresh")).status_code == 401


async def test_pages_of_other_sites_may_not_sign_in(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        for method, path in (
            ("POST", "/api/session"),
            ("POST", "/api/session/refresh"),
            ("DELETE", "/api/session"),
        ):
            answer = await ada.request(
                method, path, json={"name": "x"}, headers={"Origin": "https://elsewhere.example"}
            )
            assert answer.status_code == 403
        own = await ada.post("/api/session/refresh", headers={"Origin": url})
        assert own.status_code == 200


async def test_no_large_body_is_read(data: Path) -> None:
    async with served(data) as url, httpx.AsyncClient(base_url=url) as client:
        for body in ({"content": b'{"name":"' + b"a" * 5000 + b'"}'}, {"content": chunks()}):
            answer = await client.post(
                "/api/session", headers={"content-type": "application/json"}, **body
            )
            assert answer.status_code == 413
            assert answer.headers["content-type"] == "application/problem+json"


async def chunks() -> AsyncIterator[bytes]:
    """A body that does not say how long it will be."""
    for _ in range(100):
        yield b" " * 100


async def test_the_secret_is_kept_and_readable_by_its_owner_only(data: Path) -> None:
    await asyncio.to_thread(data.mkdir, mode=0o755)
    async with served(data) as url, Person.of(url) as ada:
        token = ada.headers["Authorization"]
        assert await asyncio.to_thread(_read_by_others, data) == []
    file = data / signin.SECRET
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with served(data) as url, httpx.AsyncClient(base_url=url) as again:
        headers = {"Authorization": token}
        answer = await again.get("/api/questions", params=HERE, headers=headers)
        assert answer.status_code == 200


def _read_by_others(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and file.stat().st_mode & 0o77]


async def test_a_store_that_is_busy_for_long_is_said_to_be_so(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PATIENCE", 0.05)
    async with served(data) as url, Person.of(url) as ada:
        with store.store_in(data).writing():
            answer = await ada.post("/api/session", json={"name": "Eve"})
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1
            assert (await ada.around())["questions"] == []  # who reads waits for nobody
        assert (await ada.post("/api/session", json={"name": "Eve"})).status_code == 201


async def test_processes_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    made = await asyncio.gather(
        *(asyncio.to_thread(signin._kept_secret, tmp_path / "data") for _ in range(16))
    )
    assert len(set(made)) == 1
    assert len(made[0]) >= 48
    assert [each.name for each in (tmp_path / "data").iterdir()] == [signin.SECRET]


async def test_with_an_issuer_its_people_are_known_and_nobody_signs_in_here(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = jwk.ECKey.generate_key("P-256")
    monkeypatch.setenv("RINGBACK_JWT_PUBLIC_KEY", key.as_pem(private=False).decode())
    monkeypatch.setenv("RINGBACK_JWT_ISSUER", "https://issuer.example/")
    async with served(data) as url, Person(base_url=url) as ada:
        refused = await ada.post("/api/session", json={"name": "Ada"})
        assert refused.status_code == 404
        config = (await ada.get("/api/config")).json()
        assert config["sign_in"] == {
            "kind": "oidc",
            "issuer": "https://issuer.example/",
            "audience": None,
        }
        claims = {"sub": "auth|1", "preferred_username": "ada", "iss": "https://issuer.example/"}
        claims["exp"] = int(time.time()) + 600  # type: ignore[assignment]
        ada.headers["Authorization"] = f"Bearer {jwt.encode({'alg': 'ES256'}, claims, key)}"
        assert (await ada.ask())["author"] == {"id": "auth|1", "name": "ada"}
    assert not (data / signin.SECRET).exists()
