"""The JWT authorizer of an HTTP API."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwk, jws, jwt

from ringback.awslocal.gateway import Keys
from ringback.awslocal.model import JwtAuthorizer
from tests.awslocal.gateway.functions import Functions, Stand, ok, route

KEY = jwk.RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"})
OTHER = jwk.RSAKey.generate_key(2048, {"kid": "k2"})
ISSUER = "https://issuer.example/"
ROUTE = {"authorization": "JWT", "authorizer": "Jwt"}


def sign(key: Any = KEY, algorithm: str = "RS256", **claims: Any) -> str:
    content = {"iss": ISSUER, "aud": "app", "sub": "me", "exp": int(time.time()) + 600, **claims}
    header = {"alg": algorithm, "kid": key.kid}
    registry = jws.JWSRegistry(algorithms=[algorithm])
    return jwt.encode(
        header, {k: v for k, v in content.items() if v is not None}, key, registry=registry
    )


def key_set(*keys: Any) -> str:
    return json.dumps({"keys": [each.as_dict(private=False) for each in keys]})


@pytest.fixture
async def base(stand: Stand, tmp_path: Path) -> str:
    file = tmp_path / "jwks.json"
    file.write_text(key_set(KEY))
    authorizer = JwtAuthorizer(name="Jwt", issuer=ISSUER, audience=("app", "other"))
    return await stand.http(
        Functions(fn=lambda event: event["requestContext"]["authorizer"]),
        route("GET /", **ROUTE),
        route("GET /scoped", scopes=("read", "admin"), **ROUTE),
        authorizers={"Jwt": authorizer},
        keys=Keys({ISSUER: str(file)}),
    )


async def get(client: httpx.AsyncClient, url: str, token: str | None) -> httpx.Response:
    return await client.get(url, headers={} if token is None else {"Authorization": token})


async def test_claims_reach_the_function_as_strings(base: str, client: httpx.AsyncClient) -> None:
    token = sign(admin=True, n=5, half=0.5, groups=["a", "b"], nested={"a": 1}, exp=2_000_000_000)
    for said in (f"Bearer {token}", token):
        answer = await get(client, base, said)
        assert answer.status_code == 200
        assert answer.json() == {
            "jwt": {
                "claims": {
                    "iss": ISSUER,
                    "aud": "app",
                    "sub": "me",
                    "exp": "2000000000",
                    "admin": "true",
                    "n": "5",
                    "half": "0.5",
                    "groups": "[a b]",
                    "nested": '{"a":1}',
                },
                "scopes": None,
            }
        }


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"iss": "https://else.example/"},
        {"aud": "stranger"},
        {"aud": None, "client_id": "stranger"},
        {"key": OTHER},
        {"key": jwk.ECKey.generate_key("P-256", {"kid": "k1"}), "algorithm": "ES256"},
    ],
)
async def test_refuses(base: str, client: httpx.AsyncClient, claims: dict[str, Any]) -> None:
    answer = await get(client, base, f"Bearer {sign(**claims)}")
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("token", ["Bearer", "Bearer x.y.z", "nonsense", "Bearer e30.e30.e30"])
async def test_refuses_what_is_no_token(base: str, client: httpx.AsyncClient, token: str) -> None:
    assert (await get(client, base, token)).status_code == 401


async def test_a_token_is_missing(base: str, client: httpx.AsyncClient) -> None:
    answer = await get(client, base, None)
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_client_id_stands_for_the_audience(base: str, client: httpx.AsyncClient) -> None:
    token = sign(aud=None, client_id="other")
    assert (await get(client, base, f"Bearer {token}")).status_code == 200


async def test_scopes(base: str, client: httpx.AsyncClient) -> None:
    url = f"{base}/scoped"
    for claims in ({"scope": "write read"}, {"scp": ["read", "x"]}):
        answer = await get(client, url, f"Bearer {sign(**claims)}")
        assert answer.json()["jwt"]["scopes"] == ["read"]
    answer = await get(client, url, f"Bearer {sign(scope='write')}")
    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_keys_are_found_as_the_issuer_says_and_fetched_again_when_they_changed(
    stand: Stand, client: httpx.AsyncClient
) -> None:
    sets = [key_set(KEY)]
    asked = []

    def issuer(event: dict[str, Any]) -> Any:
        asked.append(event["rawPath"])
        if event["rawPath"].endswith("openid-configuration"):
            return {"jwks_uri": f"http://{event['headers']['host']}/keys"}
        return json.loads(sets[0])

    address = await stand.http(Functions(fn=issuer), route("$default"))
    now = [time.time()]
    base = await stand.http(
        Functions(fn=ok),
        route("GET /", **ROUTE),
        authorizers={"Jwt": JwtAuthorizer(name="Jwt", issuer=address, audience=("app",))},
        clock=lambda: now[0],
    )
    first, second = sign(iss=address), sign(OTHER, iss=address)
    assert (await get(client, base, first)).status_code == 200
    assert (await get(client, base, first)).status_code == 200
    assert asked == ["/.well-known/openid-configuration", "/keys"]
    sets[0] = key_set(KEY, OTHER)
    # Not at once: whoever sends unknown keys shall not make it ask and ask.
    assert (await get(client, base, second)).status_code == 401
    now[0] += 6
    assert (await get(client, base, second)).status_code == 200
    assert len(asked) == 4


async def test_an_issuer_that_is_away(stand: Stand, client: httpx.AsyncClient) -> None:
    issuer = "http://127.0.0.1:1"
    base = await stand.http(
        Functions(fn=ok),
        route("GET /", **ROUTE),
        authorizers={"Jwt": JwtAuthorizer(name="Jwt", issuer=issuer)},
    )
    assert (await get(client, base, sign(iss=issuer))).status_code == 401
