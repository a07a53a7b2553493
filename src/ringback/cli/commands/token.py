"""``ringback token``: a caller's JWT, or one operation's own token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli import options
from ringback.cli.terminal import out, out_json
from ringback.errors import ConfigurationError

if TYPE_CHECKING:
    from ringback.cli.target import Where
    from ringback.settings import Settings


def token(
    subject: Annotated[
        str | None, typer.Option(help="Whom the JWT names (sub).", metavar="NAME")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="A scope of the JWT; ringback:admin sees everything. Repeatable.", metavar="SCOPE"
        ),
    ] = None,
    subscribe: Annotated[
        list[str] | None,
        typer.Option(
            help="Topics, as a filter, that the JWT's bearer may follow. Repeatable.",
            metavar="FILTER",
        ),
    ] = None,
    publish: Annotated[
        list[str] | None,
        typer.Option(help="Likewise, may publish to. Repeatable.", metavar="FILTER"),
    ] = None,
    expires: Annotated[
        str, typer.Option(help="How long the JWT is good: 90s, 30m, 1h, 7d.", metavar="DURATION")
    ] = "1h",
    operation: Annotated[
        str | None,
        typer.Option(help="Instead: the token of this operation, from --data.", metavar="ID"),
    ] = None,
    data: options.DataInstead = None,
    engine: options.EngineInstead = None,
    app: Annotated[
        str | None,
        typer.Option(
            help="The application, where its code holds the settings.",
            metavar="MODULE[:ATTRIBUTE]",
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Make a token for a caller, or print an operation's own.

    A caller's is a JWT, signed with RINGBACK_JWT_SECRET.
    """
    if (subject is None) == (operation is None):
        raise ConfigurationError("Give --subject NAME for a JWT, or --operation ID and --data DIR.")
    if operation is not None:
        import asyncio

        from ringback.cli.target import Where

        where = Where.of(data=data, engine=engine, app=app, patience=None)
        if not where.local:
            raise ConfigurationError("An operation's token is made in its store: add --data DIR.")
        made, expires_at = asyncio.run(_operation_token(where, operation))
        _print(json, made, expires_at, operation=operation)
        return
    if not subject:
        raise ConfigurationError("--subject is empty, and no server takes that. Give a name.")
    from ringback.cli.inputs import duration

    lifetime = duration(expires)
    granted = {"subscribe": subscribe or [], "publish": publish or []}
    topics = {action: _filters(found) for action, found in granted.items() if found}
    made, expires_at = _jwt(_settings(app), subject, scope or [], topics, lifetime)
    _print(json, made, expires_at, subject=subject, scope=" ".join(scope or []))


async def _operation_token(where: Where, operation: str) -> tuple[str, float]:
    from ringback.cli.local import LocalTarget

    async with LocalTarget.open(where) as target:
        return await target.token(operation)


def _settings(app: str | None) -> Settings:
    if app is not None:
        from ringback.cli.load import load

        return load(app)[0].settings
    from ringback.settings import Settings

    return Settings.load()


def _filters(texts: list[str]) -> list[str]:
    """Filters that a server takes. Raises ``InvalidInput``."""
    from ringback.core.filters import parse

    return [parse(text).text for text in texts]


def _jwt(
    settings: Settings,
    subject: str,
    scopes: list[str],
    topics: dict[str, list[str]],
    lifetime: float,
) -> tuple[str, float]:
    """A token (RFC 7519) that a server with these settings takes."""
    from joserfc import jwk, jwt

    from ringback.ids import wall

    if settings.jwt_secret is None:
        raise ConfigurationError(
            "There is no key to sign with: set RINGBACK_JWT_SECRET to what the server has "
            "(make one with: openssl rand -base64 48). Tokens for a public key or a JWKS are "
            "made by whoever holds the private key."
        )
    secret = settings.jwt_secret.get_secret_value()
    if len(secret.encode()) < 32:
        raise ConfigurationError(
            "RINGBACK_JWT_SECRET is too short: HS256 needs 32 bytes or more (RFC 7518 §3.2)."
        )
    now = int(wall())
    claims: dict[str, object] = {"sub": subject, "iat": now, "exp": int(now + lifetime)}
    if scopes:
        claims["scope"] = " ".join(scopes)
    if topics:
        claims["topics"] = topics
    if settings.jwt_issuer is not None:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience is not None:
        claims["aud"] = settings.jwt_audience
    key = jwk.OctKey.import_key(secret)
    return jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, key), float(now + int(lifetime))


def _print(json: bool, made: str, expires_at: float, **about: object) -> None:
    if not json:
        out(made)
        return
    from ringback.core.view import timestamp

    out_json({"token": made, "expires_at": timestamp(expires_at), **about})
