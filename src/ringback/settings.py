"""Settings: from code, from ``RINGBACK_…`` in the environment, from a TOML file.

The nearest wins: an argument in code or on the command line, then the environment, then the
file, then the default here. Every setting says its unit. Durations are seconds, sizes bytes.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)

from ringback.errors import ConfigurationError

PREFIX = "RINGBACK_"
FILE_VARIABLE = "RINGBACK_SETTINGS"
"""Names the file."""
DEFAULT_FILE = Path("ringback.toml")
MIN_SECRET = 32
"""Bytes of the key that operations' tokens are made with: as many as its digest has."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\\\s?#@,]+")
"""As browsers send one (RFC 6454 §6.2)."""


class Settings(BaseModel):
    """Everything that can be set, with its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    data: Path = Field(Path("ringback-data"), description="Folder of the embedded store.")
    engine: str = Field(
        "",
        description="URL of the store: `dynamodb:TABLE`, or empty for the embedded one, in the "
        "folder of `data`.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    workers: int | None = Field(
        None,
        ge=0,
        le=64,
        description="Worker processes beside the server; unset: the server itself works too; "
        "0: none here, `ringback worker` runs elsewhere.",
    )

    secret: SecretStr | None = Field(
        None,
        description="Key of the operations' tokens, 32 bytes or more; unset: made once, kept in "
        "the store.",
    )
    jwt_secret: SecretStr | None = Field(None, description="Key of HS256 tokens.")
    jwt_public_key: str | None = Field(
        None, description="PEM of the key of RS256, ES256 or EdDSA tokens."
    )
    jwks_url: str | None = Field(
        None, description="Where the issuer publishes its keys (RFC 7517); fetched and refreshed."
    )
    jwt_audience: str | None = Field(None, description="Required `aud`; unset: not checked.")
    jwt_issuer: str | None = Field(None, description="Required `iss`; unset: not checked.")
    jwt_leeway: float = Field(
        10.0, ge=0, le=300, description="Seconds of clock difference forgiven in `exp`, `nbf`."
    )
    token_lifetime: float = Field(
        7 * 86400.0, gt=0, description="Seconds for which an operation's own token is good."
    )

    cors_origins: tuple[str, ...] = Field(
        (), description="Origins whose pages may call; `*`: any, without credentials."
    )
    max_body: int = Field(1024 * 1024, gt=0, description="Bytes of a request body.")
    max_wait: float = Field(
        25.0, ge=0, le=300, description="Seconds a request waits at most (`Prefer: wait`)."
    )
    rate: float = Field(
        0.0, ge=0, description="Submissions per second for each caller; 0: no bound."
    )
    burst: int = Field(50, ge=1, description="Submissions a caller may make at once.")
    max_queued: int = Field(
        1_000_000, ge=1, description="Queued operations beyond which new ones are refused."
    )
    max_streams: int = Field(
        10_000, ge=1, description="Event streams and long polls held open by one process."
    )
    max_connections: int = Field(
        50_000, ge=1, description="Connections that follow topics, held open by one process."
    )
    max_connections_per_subject: int = Field(
        100, ge=0, description="The same, of one subject; 0: no bound."
    )
    max_connections_per_address: int = Field(
        0, ge=0, description="The same, from one address; 0: no bound, as behind a proxy."
    )
    max_subscriptions: int = Field(200, ge=1, description="Filters that one connection follows by.")
    max_patterns: int = Field(
        20,
        ge=0,
        description="Of these, templates and URL patterns that stand for a part of a segment, for "
        "several segments, or for a choice: each is read for every new topic, for up to 0.3 ms; "
        "names, `+`, `#` and `{x}` between slashes cost nothing and are not counted.",
    )
    send_buffer: int = Field(
        1024 * 1024,
        ge=64 * 1024,
        description="Bytes that may wait to be sent to one connection; one that does not read "
        "fast enough is cut, and comes back to replay.",
    )
    publish_rate: float = Field(
        100.0, ge=0, description="Messages per second that one caller publishes; 0: no bound."
    )
    publish_burst: int = Field(200, ge=1, description="Messages a caller may publish at once.")
    io_uring: bool = Field(
        True,
        description="Whether one message to many connections is handed to Linux in one call, where "
        "it lets us (io_uring); else each connection has a call of its own.",
    )
    max_replay: int = Field(
        100_000,
        ge=1,
        description="Messages that are replayed to one subscription; a longer replay begins with a "
        "gap.",
    )
    handshake_timeout: float = Field(
        10.0, gt=0, description="Seconds in which a WebSocket that needs a token has to bring it."
    )

    mercure: bool = Field(
        False, description="Whether Mercure's clients are served, at `/.well-known/mercure`."
    )
    mercure_anonymous: bool = Field(
        False,
        description="Whether callers without a token may follow by it what is public of undeclared "
        "topics (`open_topics`).",
    )
    mercure_subscriptions: bool = Field(
        False,
        description="Whether its active subscriptions are told and listed, to whoever has a grant.",
    )

    idempotency_retention: float = Field(
        86400.0, gt=0, description="Seconds for which an Idempotency-Key is remembered."
    )
    open_topics: bool = Field(
        False, description="Whether there are topics that nobody declared, with every default."
    )
    topic_retention: float = Field(
        86400.0, gt=0, description="Seconds for which messages of topics and events are kept."
    )

    concurrency: int = Field(
        64, ge=1, le=10_000, description="Async operations that one worker runs at once."
    )
    threads: int = Field(
        8, ge=1, le=256, description="Plain functions that one worker runs at once, in threads."
    )
    processes: int = Field(
        max(1, min(4, os.cpu_count() or 1)),
        ge=1,
        le=64,
        description="CPU-heavy functions that one worker runs at once, in processes.",
    )
    grace: float = Field(
        20.0,
        ge=0,
        le=3600,
        description="Seconds a stopping worker lets its operations run on before it gives them "
        "back.",
    )

    uploads: str = Field(
        "",
        description="Folder or URL (`s3://bucket/prefix`) where uploads are kept; empty: `uploads` "
        "in the folder of `data`.",
    )
    max_upload: int = Field(5 * 1024**3, gt=0, description="Bytes of one uploaded file.")
    upload_lifetime: float = Field(
        86400.0, gt=0, description="Seconds in which a declared upload has to be complete."
    )

    aws_bucket: str = Field(
        "", description="S3 bucket of what is too large for an item of DynamoDB."
    )
    aws_queues: dict[int, str] = Field(
        {},
        description="SQS queues that work is sent to, as a JSON object: the seconds that an "
        "attempt there may take, and the queue's URL. Empty: none is sent, workers ask for it.",
    )
    aws_socket_url: str = Field(
        "", description="https URL that `@connections` of a WebSocket API is called at."
    )
    aws_bus: str = Field("", description="EventBridge bus that emitted events are put on.")

    def __hash__(self) -> int:
        # A key of caches, as all that is frozen; pydantic's own takes no field that is a dict.
        return hash(tuple(value for _, value in self if not isinstance(value, dict)))

    @field_validator("aws_queues", mode="before")
    @classmethod
    def _read_object(cls, queues: object) -> object:
        if not isinstance(queues, str):
            return queues
        try:
            return json.loads(queues or "{}")
        except ValueError:
            raise ValueError(
                'it is no JSON object; give one like {"30": "https://sqs.…/work-30"}'
            ) from None

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < MIN_SECRET:
            raise ValueError(
                f"it has fewer than {MIN_SECRET} bytes; make one with: openssl rand -base64 48"
            )
        return secret

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin; give scheme, host and port, without a path: "
                    "https://example.org"
                )
        return origins

    @property
    def development(self) -> bool:
        """Whether there is no key by which a caller could be known."""
        return not (self.jwt_secret or self.jwt_public_key or self.jwks_url)

    def origin(self, name: str) -> str:
        """Where a setting in force comes from: a variable, a file, code, or the default."""
        return self._origins.get(name, "default")

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, /, **given: Any) -> Self:
        """The settings in force. ``given`` are those from code; None means not given.

        Raises ``ConfigurationError`` that names each wrong setting and where it came from.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        origin: dict[str, str] = {}
        file = Path(environment.get(FILE_VARIABLE, DEFAULT_FILE))
        if FILE_VARIABLE in environment or file.exists():
            for name, value in _read(file).items():
                values[name], origin[name] = value, str(file)
        for name in cls.model_fields:
            variable = PREFIX + name.upper()
            if variable in environment:
                text = environment[variable]
                split = name == "cors_origins"
                values[name] = tuple(filter(None, text.split(","))) if split else text
                origin[name] = variable
        for name, value in given.items():
            if value is not None:
                values[name], origin[name] = value, f"{name}="
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise ConfigurationError(_explain(error, origin)) from None
        settings._origins.update(origin)
        return settings


def _read(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The settings file {file}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The settings file {file} is not TOML: {error}.") from None
    return values


def _explain(error: ValidationError, origin: Mapping[str, str]) -> str:
    lines = []
    for fault in error.errors():
        name = str(fault["loc"][0]) if fault["loc"] else "?"
        known = name in Settings.model_fields
        message = fault["msg"] if known else "there is no such setting"
        lines.append(f"{origin.get(name, name)}: {message}")
    return "Wrong settings:\n  " + "\n  ".join(lines)


def reference() -> str:
    """The settings as a Markdown table, for the documentation."""
    lines = ["| setting | variable | default | meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "", (), {}) else f"`{field.default}`"
        lines.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"
