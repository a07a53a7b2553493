"""The demo's web application: the page, sample files, a button that kills, and Ringback beside.

This is how Ringback is put into any Starlette or FastAPI application: its lifespan, and a mount.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ringback.core.model import Query, Status
from ringback.demo import samples
from ringback.demo.tasks import LEASE, rb
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import Request as EdgeRequest
from ringback.errors import Conflict, Forbidden, RingbackError

PAGE = Path(__file__).with_name("page")
HEADERS = {
    # Our own files and nothing else; thumbnails come as data, previews of chosen files as blobs.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # asked for anew each time: an update shows on the next reload
}
LOOKED_AT = 500
"""Running operations looked at to find the worker: more than one worker ever runs here."""


async def page(request: Request) -> Response:
    """The page itself."""
    return FileResponse(PAGE / "index.html", headers=HEADERS)


class PageFiles(StaticFiles):
    """What the page is made of."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


async def sample(request: Request) -> Response:
    """A file to try the demo with."""
    name = request.path_params["name"]
    stem, _, kind = name.rpartition(".")
    if name == "orders.csv":
        data, media_type = await run_in_threadpool(samples.table), "text/csv"
    elif kind == "jpg" and stem in samples.MOODS:
        data, media_type = await run_in_threadpool(samples.photo, stem), "image/jpeg"
    else:
        raise HTTPException(404)
    return Response(data, media_type=media_type, headers=HEADERS)


async def store(request: Request) -> Response:
    """Which life of the store this is: a page that remembers another starts anew."""
    return JSONResponse({"epoch": rb.started.service.engine.epoch}, headers=HEADERS)


async def kill_worker(request: Request) -> Response:
    """Kill the worker that runs the most operations, as a power cut would: with SIGKILL."""
    try:
        pid, operations = await _kill(request)
    except RingbackError as error:
        return JSONResponse(
            error.problem(), error.status, media_type="application/problem+json", headers=HEADERS
        )
    return JSONResponse({"pid": pid, "operations": operations, "lease": LEASE}, headers=HEADERS)


async def _kill(request: Request) -> tuple[int, int]:
    service = rb.started.service
    if not rb.development:
        raise Forbidden("Workers are killed in development mode only.")
    # What guards the other routes against other machines and other pages guards this one.
    gate = Gate(service.settings, service.tokens, service.clock, None, service.revocations)
    gate.admit(EdgeRequest(request.scope, request.receive))
    now = service.clock()
    running = await service.engine.list(Query(status=Status.RUNNING, limit=LOOKED_AT))
    workers = Counter(
        state.worker
        for state in running
        if state.worker is not None and (state.lease_until or 0) > now
    )
    if not workers:
        raise Conflict("No operation is running, so no worker would be missed. Start one first.")
    name, operations = workers.most_common(1)[0]
    host, _, pid_text = name.rpartition(":")
    if host != socket.gethostname() or not pid_text.isdigit():
        raise Conflict(f"The worker {name} is not on this machine. Kill it where it runs.")
    pid = int(pid_text)
    if pid == os.getpid():
        raise Conflict(
            "Here the server itself does the work, so killing the worker would take this page "
            "along. Start it with `ringback demo`, which has a worker of its own."
        )
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        raise Conflict(
            "That worker is gone already. Its operations go on when their leases have run out, "
            f"within {LEASE:g} s."
        ) from None
    return pid, operations


app = Starlette(
    routes=[
        Route("/", page),
        Route("/demo/samples/{name}", sample),
        Route("/demo/store", store),
        Route("/demo/kill-worker", kill_worker, methods=["POST"]),
        Mount("/demo", PageFiles(directory=PAGE)),
        Mount("/", rb.asgi),
    ],
    lifespan=rb.lifespan,
)
