"""``/ringback.js``: the JavaScript client for pages, as the package's build left it.

What belongs here: how those files are answered. What is in them is in ``clients/js``.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from ringback.edges.http import fields
from ringback.edges.http.message import Headers, Request, Response, Send
from ringback.errors import NotFound

BUILT = Path(__file__).with_name("static")
"""Where the build puts it; git does not know this folder."""
ENTRY = "ringback.js"
MEDIA = {".js": b"text/javascript; charset=utf-8", ".map": b"application/json"}
REVALIDATED = b"no-cache"
"""The entry keeps its name when its content changes, so it is asked for each time, and is 304."""
FOR_EVER = b"public, max-age=31536000, immutable"
"""What is loaded on first use has a hash of its content in its name (RFC 8246)."""
OF_CONTENT = (b"content-type", b"content-encoding", b"sourcemap")
"""What an answer without content leaves out (RFC 9110 §15.4.5)."""
NOT_BUILT = (
    "The JavaScript client is not in this installation. In a checkout, `make setup` builds it; "
    "elsewhere, install Ringback from a wheel."
)


@dataclass(frozen=True, kw_only=True)
class Body:
    """One file in one encoding: a strong validator is of those bytes (RFC 9110 §8.8.3.3)."""

    content: bytes
    tag: str
    headers: Headers


@dataclass(frozen=True, kw_only=True)
class File:
    """One file, as it is and compressed: a server often has nothing in front that does that."""

    plain: Body
    compressed: Body


class Script:
    """The files of the client, kept in memory: about 100 kB."""

    def __init__(self, folder: Path = BUILT) -> None:
        self._folder = folder
        self._files: dict[str, File] | None = None

    async def show(self, request: Request, send: Send) -> Response:
        """One of them; ``path_parameter`` is its name below the folder."""
        if self._files is None:
            self._files = await asyncio.to_thread(_read, self._folder)
        file = self._files.get(request.path_parameter)
        if file is None:
            raise NotFound(NOT_BUILT) if not self._files else NotFound
        body = file.compressed if _takes_gzip(request) else file.plain
        known = request.header(b"if-none-match")
        if known is not None and fields.entity_tags(known, weak=True) & {body.tag, "*"}:
            kept = [field for field in body.headers if field[0] not in OF_CONTENT]
            return Response(304, headers=kept)
        return Response(200, body.content, list(body.headers))


def _read(folder: Path) -> dict[str, File]:
    return {
        path.relative_to(folder).as_posix(): _file(path.relative_to(folder), path.read_bytes())
        for path in folder.rglob("*")
        if path.suffix in MEDIA
    }


def _file(name: Path, content: bytes) -> File:
    tag = hashlib.sha256(content).hexdigest()[:16]
    headers = [
        (b"content-type", MEDIA[name.suffix]),
        (b"cache-control", REVALIDATED if name.parent == Path() else FOR_EVER),
        (b"vary", b"Accept-Encoding"),
        # Public code, which knows nothing of the caller: any page may load it as a module.
        (b"access-control-allow-origin", b"*"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if name.suffix == ".js":
        headers.append((b"sourcemap", f"{name.name}.map".encode()))
    return File(
        plain=_body(content, tag, headers),
        compressed=_body(
            gzip.compress(content, mtime=0),
            f"{tag}-gzip",
            [*headers, (b"content-encoding", b"gzip")],
        ),
    )


def _body(content: bytes, tag: str, headers: Headers) -> Body:
    return Body(content=content, tag=tag, headers=[*headers, (b"etag", f'"{tag}"'.encode())])


def _takes_gzip(request: Request) -> bool:
    """RFC 9110 §12.5.3, as far as browsers use it: a weight of 0 refuses."""
    for part in (request.header(b"accept-encoding") or "").lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";")
        if coding == "gzip":
            return weight.rstrip("0.") != "q="
    return False
