"""Who may talk to a gateway on this machine: no page from elsewhere in somebody's browser.

AWS has no such check. Here functions run with the developer's files and data behind them, and any
page that is open in a browser can send to 127.0.0.1.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Collection
from urllib.parse import urlsplit

from ringback.awslocal.gateway.messages import Request, Response, told

log = logging.getLogger("ringback.aws.gateway")


def refusal(request: Request, origins: Collection[str]) -> Response | None:
    """None: let it pass. `origins` may send from elsewhere."""
    host = request.header("host")
    if host is not None and not _is_near(host):
        return _refuse(
            f"The Host header names {host}, which is not this machine: a page could have pointed "
            "its own name here. Use 127.0.0.1 or localhost."
        )
    origin = request.header("origin")
    if origin is None or origin in origins:
        return None
    if _is_near(urlsplit(origin).netloc):
        return None
    return _refuse(
        f"A page of {origin} may not use what runs on this machine. If it is yours, name it with "
        f"--origin {origin}, or in the API's CORS configuration."
    )


def _refuse(why: str) -> Response:
    log.warning("%s", why)
    return told(403, "Forbidden", more={"why": why})


def _is_near(authority: str) -> bool:
    host = authority.lower()
    host = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
