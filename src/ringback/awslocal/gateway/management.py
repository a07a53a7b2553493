"""``@connections``: how functions reach those who are connected."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

from ringback.awslocal.gateway import signatures
from ringback.awslocal.gateway.connection import NORMALLY, Connection
from ringback.awslocal.gateway.counts import SocketCounts
from ringback.awslocal.gateway.limits import Limits
from ringback.awslocal.gateway.messages import Request, Response, told
from ringback.wire.close_codes import CloseCode

NAME = "@connections"

_ID = re.compile(r"[A-Za-z0-9_\-]{1,128}={0,2}")

log = logging.getLogger("ringback.aws.gateway")
access = logging.getLogger("ringback.aws.gateway.access")


def address(request: Request) -> tuple[str, str] | None:
    """Stage and connection that the path names; None: it is no path of ``@connections``.

    The id ends with ``=``, which clients encode or not, as they do the ``@``.
    """
    parts = [unquote(each) for each in request.raw_path.removeprefix("/").split("/")]
    if len(parts) != 3 or parts[1] != NAME:
        return None
    return parts[0], parts[2]


class Management:
    """Answers for the connections of one API."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        limits: Limits,
        *,
        counts: SocketCounts,
        secrets: Mapping[str, str],
        region: str,
        clock: Callable[[], float],
    ) -> None:
        self._connections = connections
        self._limits = limits
        self._counts = counts
        self._secrets = secrets
        self._region = region
        self._clock = clock

    def answer(self, request: Request, stage: str, id_: str) -> Response:
        answer = self._answer(request, stage, id_)
        self._counts.calls[f"{request.method} {answer.status}"] += 1
        access.info("@connections %s %s %d", request.method, id_, answer.status)
        return answer.with_headers([("x-amzn-requestid", str(uuid.uuid4()))])

    def _answer(self, request: Request, stage: str, id_: str) -> Response:
        try:
            signatures.verify(request, self._secrets, self._region, self._clock())
        except signatures.Refused as refused:
            log.warning("A call of @connections is refused: %s", refused)
            return _error(403, refused.type, str(refused))
        if not _ID.fullmatch(id_):
            return _error(400, "BadRequestException", f"Invalid connectionId: {id_}")
        connection = self._connections.get(id_)
        if connection is None or connection.peer.stage.name != stage or not connection.is_open:
            # AWS tells nothing but the type.
            return _error(410, "GoneException", None)
        match request.method:
            case "POST":
                return self._post(connection, request.body)
            case "GET":
                return _described(connection)
            case "DELETE":
                connection.end(CloseCode.DONE, NORMALLY)
                return Response(status=204)
            case _:
                return _error(403, "ForbiddenException", "Forbidden")

    def _post(self, connection: Connection, body: bytes) -> Response:
        if len(body) > self._limits.message:
            return _error(413, "PayloadTooLargeException", "Message too long")
        if connection.unsent > self._limits.unsent:
            return _error(429, "LimitExceededException", "Too Many Requests")
        connection.send(body)
        return Response(status=200, headers=(("content-type", "application/json"),))


def _described(connection: Connection) -> Response:
    peer = connection.peer
    identity = {"sourceIp": peer.source}
    if peer.agent is not None:
        identity["userAgent"] = peer.agent
    body = {
        "connectedAt": _iso(peer.connected_at),
        "identity": identity,
        "lastActiveAt": _iso(peer.active_at),
    }
    return Response(
        status=200,
        headers=(("content-type", "application/json"),),
        body=json.dumps(body).encode(),
    )


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int, type_: str, message: str | None) -> Response:
    headers = (("x-amzn-ErrorType", type_),)
    if message is not None:
        return told(status, message, headers)
    return Response(
        status=status, headers=(("content-type", "application/json"), *headers), body=b"{}"
    )
