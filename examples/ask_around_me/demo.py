"""What only ``ringback demo`` has: a worker to be killed, and simulated neighbours."""

from __future__ import annotations

import ipaddress
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import BaseModel

from ringback.errors import Conflict, Forbidden, NotFound

from .api import HOME, Small, not_stored, same_origin
from .files import BUILT
from .model import Point
from .neighbours import Neighbours
from .plausible import NAMES
from .tasks import LEASE, PACE

if TYPE_CHECKING:
    from ringback.serve import Started

STEP = "0.5"
"""Seconds that each step waits, so that a person sees it."""
NEIGHBOURS = "ASK_AROUND_ME_NEIGHBOURS"
"""Names how many simulated neighbours there are: all, unless it is set; 0: one is alone."""


@dataclass(frozen=True)
class Demo:
    """What the demo's routes work on."""

    started: Started
    neighbours: Neighbours

    @property
    def workers(self) -> list[int]:
        """The processes that do the work."""
        supervisor = self.started.supervisor
        return supervisor.pids if supervisor is not None else []


def is_built() -> bool:
    """Whether there is a page to show."""
    return (BUILT / "index.html").is_file()


def slow_down() -> None:
    """Have steps wait, here and in the workers that are started from here."""
    os.environ.setdefault(PACE, STEP)


def begin(app: FastAPI, started: Started) -> Demo:
    """Let the demo's routes be there, and the neighbours live; to be called on the event loop."""
    count = int(os.environ.get(NEIGHBOURS, len(NAMES)))
    neighbours = Neighbours(started.url, Point(lat=HOME.lat, lng=HOME.lng), NAMES[:count])
    neighbours.start()
    app.state.demo = made = Demo(started, neighbours)
    return made


def allowed(request: Request) -> Demo:
    """The demo, for somebody at this machine. Raises ``NotFound`` where there is none."""
    demo: Demo | None = request.app.state.demo
    if demo is None:
        raise NotFound("There is no such thing here: this is not the demo.")
    # A page elsewhere can have its own name resolve to 127.0.0.1 (DNS rebinding); the Host it was
    # fetched from gives it away.
    if not _is_loopback(request.url.hostname or ""):
        raise Forbidden("Only a page that this machine serves to itself may do this.")
    return demo


router = APIRouter(
    prefix="/api/demo",
    include_in_schema=False,
    dependencies=[Depends(not_stored), Depends(same_origin)],
    route_class=Small,
)


class Killed(BaseModel):
    """A worker that is gone."""

    pid: int
    lease: float
    """Seconds after which what it did is given to another."""


@router.post("/kill-worker")
async def kill_worker(request: Request) -> Killed:
    """Kill a worker as a power cut would: with SIGKILL."""
    for pid in allowed(request).workers:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        return Killed(pid=pid, lease=LEASE)
    raise Conflict("No worker runs right now. The next one starts by itself.")


@router.put("/place", status_code=204)
async def place(point: Point, request: Request) -> None:
    """Have the neighbours live here."""
    allowed(request).neighbours.move(point)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
