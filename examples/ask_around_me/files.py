"""What is served as it is: the page, what it is made of, and pictures, with the headers of each."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ringback.errors import NotFound

from .questions import SIDES
from .service import rb, records

BUILT = Path(__file__).with_name("static")
"""What the page's build leaves."""
TILES = "ASK_AROUND_ME_TILES"
"""Names other tiles of OpenStreetMap's data: a URL with {z}, {x} and {y}; empty: none are used."""
OPENSTREETMAP = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
FOR_EVER = "public, max-age=31536000, immutable"
HEADERS = {
    "Permissions-Policy": "geolocation=(self)",
    # Who serves the tiles wants to know for which site, and no more.
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # asked for anew each time: an update shows on the next reload
}
PICTURE = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": FOR_EVER,  # another picture has another id
}
UNBUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Ask Around Me</title>
<h1>Ask Around Me</h1>
<p>The server runs. Its page is not built in this checkout; an installed package has it.</p>
<ul>
<li><a href="/api/config">/api/config</a></li>
<li><a href="/api/questions?lat=47.3769&amp;lng=8.5417">/api/questions</a> around Zürich</li>
<li><a href="/api/openapi.json">/api/openapi.json</a>: what is answered at once</li>
<li><a href="/openapi.json">/openapi.json</a>: what is done behind the queue</li>
</ul>
</html>
"""
_HASHED = re.compile(r"-[A-Za-z0-9]{8,}\.[a-z0-9.]+$")
"""A file's name that changes with what is in it."""

router = APIRouter(include_in_schema=False)


def tiles() -> str | None:
    """Where pictures of the map come from, where there is a network."""
    return os.environ.get(TILES, OPENSTREETMAP) or None


def web_socket() -> str | None:
    """Where the page's WebSocket is, unless it is here: API Gateway gives it its own address."""
    url = rb.settings.aws_socket_url
    return "ws" + url.removeprefix("http") if url else None


def headers() -> dict[str, str]:
    """Those of the page, and of what it is made of."""
    beside = " ".join(["'self'", *filter(None, map(_origin, [web_socket(), *_uploads()]))])
    pictures = " ".join(["'self' data: blob:", *filter(None, [_origin(tiles())])])
    # Our own files, and the tiles of the map; pictures that are about to be sent are blobs.
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src {pictures}; font-src 'self'; connect-src {beside}; "
        "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    return {"Content-Security-Policy": policy, **HEADERS}


def _origin(url: str | None) -> str:
    found = urlsplit(url or "")
    return f"{found.scheme}://{found.netloc}" if found.netloc else ""


def _uploads() -> list[str]:
    """Where pictures are sent to, unless it is here."""
    kind, _, rest = rb.settings.uploads.partition("://")
    if kind != "s3":
        return []
    own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if own:
        return [own]
    s3 = f"s3.{os.environ.get('AWS_REGION', 'us-east-1')}.amazonaws.com"
    return [f"https://{s3}", f"https://{rest.partition('/')[0]}.{s3}"]


@router.get("/")
async def page() -> Response:
    """The page; all its views are behind this one URL."""
    index = BUILT / "index.html"
    if index.exists():
        return FileResponse(index, headers=headers())
    return HTMLResponse(UNBUILT, headers=headers())


class Built(StaticFiles):
    """What the page is made of."""

    def __init__(self) -> None:
        super().__init__(directory=BUILT, check_dir=False)

    async def check_config(self) -> None:
        """Do not insist on the folder: before the first build nothing is found, and that is all."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(headers())
        if _HASHED.search(path):
            response.headers["Cache-Control"] = FOR_EVER
        return response


@router.get("/photos/{photo}/{side}.webp")
def picture(photo: UUID, side: int) -> Response:
    """One size of a picture."""
    found = records().picture(str(photo), side) if side in SIDES else None
    if found is None:
        raise NotFound("There is no such picture.")
    if isinstance(found, bytes):
        return Response(found, media_type="image/webp", headers=PICTURE)
    return FileResponse(found, media_type="image/webp", headers=PICTURE)
