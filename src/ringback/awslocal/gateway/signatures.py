"""Signature Version 4 of a request to ``@connections``, verified by botocore's own signer."""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Mapping
from time import strptime
from typing import Any

from ringback.awslocal.gateway.limits import CLOCK_SKEW
from ringback.awslocal.gateway.messages import Request
from ringback.errors import ConfigurationError

SERVICE = "execute-api"

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*"
    r"Signature=([0-9a-f]{64})"
)


class Refused(Exception):
    """A request is not signed as it should be. Carries the type that AWS gives its error."""

    def __init__(self, type_: str, message: str) -> None:
        self.type = type_
        super().__init__(message)


def verify(request: Request, secrets: Mapping[str, str], region: str, now: float) -> str:
    """Which access key signed. Raises ``Refused``."""
    said = request.header("authorization")
    if said is None:
        raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    parts = _AUTHORIZATION.fullmatch(said.strip())
    credential = parts[1].split("/") if parts else []
    if parts is None or len(credential) != 5 or credential[4] != "aws4_request":
        raise Refused(
            "IncompleteSignatureException",
            "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' of "
            "AWS4-HMAC-SHA256.",
        )
    key, date, in_region, service = credential[:4]
    if (service, in_region) != (SERVICE, region):
        raise Refused(
            "InvalidSignatureException",
            f"Credential should be scoped to service {SERVICE} and region {region}, not to "
            f"{service} and {in_region}.",
        )
    if key not in secrets:
        raise Refused(
            "UnrecognizedClientException", "The security token included in the request is invalid."
        )
    timestamp = request.header("x-amz-date") or ""
    _check_time(timestamp, date, now)
    names = parts[2].split(";")
    if "host" not in names:
        raise Refused("InvalidSignatureException", "'Host' must be a signed header.")
    expected = _signature(request, names, key, secrets[key], in_region, timestamp)
    if not hmac.compare_digest(expected, parts[3]):
        raise Refused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check "
            "your AWS Secret Access Key and signing method. Consult the service documentation for "
            "details.",
        )
    return key


def _check_time(timestamp: str, date: str, now: float) -> None:
    try:
        at = timegm(strptime(timestamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Refused(
            "IncompleteSignatureException", "The X-Amz-Date header is missing or no time."
        ) from None
    if not timestamp.startswith(date):
        raise Refused(
            "InvalidSignatureException", "Date in Credential scope does not match X-Amz-Date."
        )
    if abs(now - at) > CLOCK_SKEW:
        raise Refused("InvalidSignatureException", f"Signature expired: {timestamp}.")


def _signature(
    request: Request, names: list[str], key: str, secret: str, region: str, timestamp: str
) -> str:
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
    except ImportError as error:
        raise ConfigurationError(
            f"Signatures are verified with botocore, which is missing ({error}). Install it: "
            'pip install "ringback[aws-local]"'
        ) from None

    hashed = request.header("x-amz-content-sha256")
    if hashed not in (None, "UNSIGNED-PAYLOAD", hashlib.sha256(request.body).hexdigest()):
        raise Refused(
            "InvalidSignatureException",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )

    class Signer(SigV4Auth):
        def headers_to_sign(self, request: Any) -> Any:
            # Those the client chose, whatever this signer would choose.
            return request.headers

        def payload(self, request: Any) -> str:
            return hashed or hashlib.sha256(request.body or b"").hexdigest()

    signed = AWSRequest(
        method=request.method,
        url=f"http://{request.header('host')}{request.target}",
        data=request.body,
    )
    for name, value in request.headers:
        if name.lower() in names:
            signed.headers[name.lower()] = value
    signed.context["timestamp"] = timestamp
    signer = Signer(Credentials(key, secret), SERVICE, region)
    canonical = signer.canonical_request(signed)
    return str(signer.signature(signer.string_to_sign(signed, canonical), signed))
