"""JSON Web Tokens: what is taken, and every way to forge one that we know of."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jwk

from ringback.core.access import Claims
from ringback.errors import ConfigurationError, RingbackError, Unauthenticated
from ringback.security.jwt import CACHED_FOR, CACHED_TOKENS, MAX_TOKEN_LENGTH, Authenticator
from ringback.settings import Settings
from tests.security.keys import SECRET, claims_of, sign

RSA = jwk.RSAKey.generate_key(2048)
EC = jwk.ECKey.generate_key("P-256")
ED = jwk.OKPKey.generate_key("Ed25519")
OTHER_RSA = jwk.RSAKey.generate_key(2048)


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def public(key: Any) -> str:
    return str(key.as_pem(private=False).decode())


def authenticator(clock: Clock | None = None, /, **settings: Any) -> Authenticator:
    return Authenticator(Settings(**settings), clock or Clock())


async def refused(wanted: Authenticator, token: str, word: str = "token") -> None:
    with pytest.raises(Unauthenticated, match=word):
        await wanted.claims(token)


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# What is taken


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", RSA),
        ("PS256", RSA),
        ("RS512", RSA),
        ("ES256", EC),
        ("EdDSA", ED),
        ("Ed25519", ED),
    ],
)
async def test_a_signature_of_the_public_keys_owner_is_taken(algorithm: str, key: Any) -> None:
    wanted = authenticator(jwt_public_key=public(key))
    claims = await wanted.claims(sign(claims_of("ann", scope="a b"), key, algorithm))
    assert claims.subject == "ann"
    assert claims.scopes == {"a", "b"}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_signature_with_the_shared_secret_is_taken(algorithm: str) -> None:
    secret = SECRET * 2
    key = jwk.OctKey.import_key(secret)
    claims = await authenticator(jwt_secret=secret).claims(sign(claims_of(), key, algorithm))
    assert claims.subject == "ann"


async def test_claims_are_what_the_token_says() -> None:
    key = jwk.OctKey.import_key(SECRET)
    said = claims_of(
        "ann",
        scope="read ringback:admin",
        department="sales",
        topics={"subscribe": ["a/+", "b"]},
    )
    claims = await authenticator(jwt_secret=SECRET).claims(sign(said, key, "HS256"))
    assert claims == Claims(
        subject="ann",
        scopes=frozenset({"read", "ringback:admin"}),
        expires_at=said["exp"],
        issued_at=said["iat"],
        subscribe=("a/+", "b"),
        extra={"department": "sales"},
    )
    assert claims.admin


async def test_headers_that_mean_nothing_to_us_are_passed_over() -> None:
    """RFC 7515 §4: as real issuers send them (x5t, nonce), and long ones (x5c)."""
    wanted = authenticator(jwt_public_key=public(RSA))
    token = sign(claims_of(), RSA, "RS256", typ="at+jwt", kid="any", x5t="abc")
    head, payload, _ = token.split(".")
    assert (await wanted.claims(token)).subject == "ann"
    header = {"alg": "RS256", "nonce": "x" * 600}
    signed = f"{encoded(header)}.{payload}"
    signature = rsa_signature(signed.encode())
    assert (await wanted.claims(f"{signed}.{signature}")).subject == "ann"
    assert head != encoded(header)


def rsa_signature(message: bytes) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    key: Any = RSA.private_key
    return encoded(key.sign(message, padding.PKCS1v15(), hashes.SHA256()))


# Forgeries


async def test_no_signature_is_refused() -> None:
    payload = encoded(claims_of("root", scope="ringback:admin"))
    for settings in ({"jwt_secret": SECRET}, {"jwt_public_key": public(RSA)}):
        wanted = authenticator(**settings)
        algorithms: list[Any] = ["none", "None", "NONE", "nOnE", "", None, 0, [], {}, ["HS256"]]
        for algorithm in algorithms:
            for signature in ("", encoded(b"x")):
                await refused(wanted, f"{encoded({'alg': algorithm})}.{payload}.{signature}")
        await refused(wanted, f"{encoded({})}.{payload}.")


async def test_a_public_key_is_no_shared_secret() -> None:
    """RFC 8725 §2.1: HS256 with what everybody can read as its key."""
    for key in (RSA, EC, ED):
        wanted = authenticator(jwt_public_key=public(key))
        for secret in (public(key), public(key).strip(), public(key) + "\n"):
            message = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims_of('root'))}"
            digest = hmac.new(secret.encode(), message.encode(), hashlib.sha256).digest()
            await refused(wanted, f"{message}.{encoded(digest)}")


async def test_with_both_kinds_of_key_each_takes_its_own() -> None:
    wanted = authenticator(jwt_secret=SECRET, jwt_public_key=public(RSA))
    oct_key = jwk.OctKey.import_key(SECRET)
    assert (await wanted.claims(sign(claims_of(), oct_key, "HS256"))).subject == "ann"
    assert (await wanted.claims(sign(claims_of(), RSA, "RS256"))).subject == "ann"
    message = f"{encoded({'alg': 'HS256'})}.{encoded(claims_of('root'))}"
    digest = hmac.new(public(RSA).encode(), message.encode(), hashlib.sha256).digest()
    await refused(wanted, f"{message}.{encoded(digest)}")


async def test_a_key_that_comes_along_is_not_used() -> None:
    """RFC 8725 §3.10: jwk, jku and x5u say what the sender wants us to trust."""
    wanted = authenticator(jwt_public_key=public(RSA))
    for header in (
        {"jwk": OTHER_RSA.as_dict(private=False)},
        {"jku": "http://127.0.0.1:1/keys"},
        {"x5u": "http://127.0.0.1:1/certificate"},
    ):
        await refused(wanted, sign(claims_of("root"), OTHER_RSA, "RS256", **header))


async def test_another_key_or_another_algorithm_is_refused() -> None:
    for key, others in (
        (RSA, [(OTHER_RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")]),
        (EC, [(RSA, "RS256"), (ED, "EdDSA"), (jwk.ECKey.generate_key("P-256"), "ES256")]),
        (ED, [(RSA, "RS256"), (EC, "ES256"), (jwk.OKPKey.generate_key("Ed25519"), "EdDSA")]),
    ):
        wanted = authenticator(jwt_public_key=public(key))
        for other, algorithm in others:
            await refused(wanted, sign(claims_of(), other, algorithm))
    short = authenticator(jwt_public_key=public(jwk.ECKey.generate_key("P-384")))
    await refused(short, sign(claims_of(), EC, "ES256"))


async def test_an_empty_ecdsa_signature_is_refused() -> None:
    """CVE-2022-21449: r = s = 0."""
    wanted = authenticator(jwt_public_key=public(EC))
    message = f"{encoded({'alg': 'ES256'})}.{encoded(claims_of())}"
    for signature in (64 * b"\0", b"", 63 * b"\0", 65 * b"\0"):
        await refused(wanted, f"{message}.{encoded(signature)}")


async def test_every_changed_character_is_noticed() -> None:
    wanted = authenticator(jwt_secret=SECRET)
    token = sign(claims_of(), jwk.OctKey.import_key(SECRET), "HS256")
    for index, character in enumerate(token):
        if character != ".":
            changed = "A" if character != "A" else "B"
            await refused(wanted, token[:index] + changed + token[index + 1 :])
    assert (await wanted.claims(token)).subject == "ann"


async def test_what_is_no_jwt_is_refused() -> None:
    key = jwk.OctKey.import_key(SECRET)
    good = sign(claims_of(), key, "HS256")
    head, payload, signature = good.split(".")
    for token in (
        "",
        ".",
        "..",
        "a.b.c",
        good + ".",
        good + ".x",
        "." + good,
        head + "." + payload,
        f"{head}..{signature}",
        f"{encoded([1])}.{payload}.{signature}",
        f"{encoded('x')}.{payload}.{signature}",
        f"{encoded(b'{')}.{payload}.{signature}",
        f"{encoded({'alg': 'HS256', 'crit': ['exp'], 'exp': 1})}.{payload}.{signature}",
        f"{encoded({'alg': 'HS256', 'kid': 7})}.{payload}.{signature}",
        f"{encoded({'alg': 'HS256', 'b64': False, 'crit': ['b64']})}.{payload}.{signature}",
        good + "=",
        good.replace("e", "é"),
        "A" * MAX_TOKEN_LENGTH + "." + payload + "." + signature,
        f"{encoded(b'[' * 5000)}.{payload}.{signature}",
        f"{head}.{encoded(b'[' * 5000)}.{signature}",
    ):
        for settings in ({"jwt_secret": SECRET}, {"jwt_public_key": public(EC)}):
            await refused(authenticator(**settings), token)


# Claims


async def test_claims_are_checked() -> None:
    clock = Clock()
    now = int(clock.now)
    key = jwk.OctKey.import_key(SECRET)
    wanted = authenticator(
        clock,
        jwt_secret=SECRET,
        jwt_audience="api",
        jwt_issuer="https://issuer.example",
        jwt_leeway=10,
    )
    good = claims_of("ann", aud="api", iss="https://issuer.example")
    for change, word in (
        ({"exp": now - 11}, "expired"),
        ({"exp": "later"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": 10**400}, "exp"),
        ({"nbf": now + 12}, "not valid yet"),
        ({"nbf": []}, "nbf"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": "ap"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": {"api": 1}}, "aud"),
        ({"iss": "https://issuer.example/"}, "iss"),
        ({"iss": None}, "iss"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"sub": "a\0b"}, "sub"),
    ):
        claims = {k: v for k, v in {**good, **change}.items() if v is not None}
        await refused(wanted, sign(claims, key, "HS256"), word)
    for change in ({}, {"exp": now - 9}, {"nbf": now + 9}, {"aud": ["x", "api"]}, {"scope": 7}):
        assert (await wanted.claims(sign({**good, **change}, key, "HS256"))).subject == "ann"
    for payload in ([1], {**good, "sub": "\ud800"}, 7, None):
        message = f"{encoded({'alg': 'HS256'})}.{encoded(payload)}"
        digest = hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).digest()
        await refused(wanted, f"{message}.{encoded(digest)}")


# The cache


async def test_a_remembered_token_expires_all_the_same() -> None:
    clock = Clock()
    wanted = authenticator(clock, jwt_secret=SECRET, jwt_leeway=5)
    token = sign(claims_of(exp=int(clock.now) + 20), jwk.OctKey.import_key(SECRET), "HS256")
    assert (await wanted.claims(token)).subject == "ann"
    clock.now += 20
    assert (await wanted.claims(token)).subject == "ann"
    clock.now += 6
    await refused(wanted, token, "expired")


async def test_few_tokens_are_remembered_and_not_for_long() -> None:
    clock = Clock()
    wanted = authenticator(clock, jwt_secret=SECRET)
    key = jwk.OctKey.import_key(SECRET)
    claims = claims_of(exp=None)
    tokens = [sign({**claims, "n": n}, key, "HS256") for n in range(CACHED_TOKENS + 10)]
    for token in tokens:
        await wanted.claims(token)
    assert len(wanted._cache) <= CACHED_TOKENS
    assert wanted.remembered(tokens[0]) is None
    newest = tokens[-CACHED_TOKENS // 2 :]
    assert all(wanted.remembered(token) for token in newest)
    clock.now += CACHED_FOR
    assert not any(wanted.remembered(token) for token in newest)


@pytest.mark.parametrize("pause", [0.0, 1.0, 29.0, 31.0, 59.0, 61.0])
async def test_no_token_is_remembered_for_longer(pause: float) -> None:
    """However the generations fall: others come before it, and after."""
    clock = Clock()
    wanted = authenticator(clock, jwt_secret=SECRET)
    key = jwk.OctKey.import_key(SECRET)
    first, second, third = (sign(claims_of(name), key, "HS256") for name in ("a", "b", "c"))
    await wanted.claims(first)
    clock.now += pause
    await wanted.claims(second)
    clock.now += CACHED_FOR / 2
    await wanted.claims(third)
    clock.now += CACHED_FOR / 2
    assert wanted.remembered(second) is None
    await wanted.claims(first)
    assert wanted.remembered(second) is None


async def test_tokens_that_grant_the_same_share_it() -> None:
    wanted = authenticator(Clock(), jwt_secret=SECRET)
    key = jwk.OctKey.import_key(SECRET)
    grants = {"topics": {"subscribe": ["a/#"], "publish": ["a/b"]}, "scope": "read write"}
    one, two = [
        await wanted.claims(sign(claims_of(name, iss="i", n=[name], **grants), key, "HS256"))
        for name in ("ann", "bob")
    ]
    assert one.scopes == {"read", "write"}
    assert one.scopes is two.scopes
    assert one.subscribe is two.subscribe
    assert one.publish is two.publish
    assert one.extra["iss"] is two.extra["iss"]
    assert (one.extra["n"], two.extra["n"]) == (["ann"], ["bob"])
    assert not {"sub", "scope", "exp", "iat", "topics"} & one.extra.keys()


# Configuration


@pytest.mark.parametrize(
    "settings",
    [
        {"jwt_secret": "short"},
        {"jwt_secret": public(RSA)},
        {"jwt_public_key": "nonsense"},
        {"jwt_public_key": ""},
        {"jwt_public_key": SECRET},
    ],
)
def test_a_key_that_cannot_be_used_is_refused_at_the_start(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        authenticator(**settings)


def test_errors_do_not_repeat_the_key() -> None:
    for settings in ({"jwt_secret": "hunter2"}, {"jwt_public_key": "hunter2"}):
        with pytest.raises(RingbackError) as caught:
            authenticator(**settings)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "topics",
    [
        "a",
        ["a"],
        {"subscribe": "a"},
        {"publish": ["a//b"]},
        {"publish": [7]},
        {"publish": ["a"] * 101},
    ],
)
async def test_topics_that_are_none_are_refused(topics: object) -> None:
    """A grant that was written wrong must not be one less in silence."""
    key = jwk.OctKey.import_key(SECRET)
    token = sign(claims_of("ann", topics=topics), key, "HS256")
    with pytest.raises(Unauthenticated, match="topics"):
        await authenticator(jwt_secret=SECRET).claims(token)
