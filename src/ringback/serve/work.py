"""Only a worker, in this process."""

from __future__ import annotations

from collections.abc import Callable

from ringback.app import Ringback, Running
from ringback.serve.collecting import rare_collections
from ringback.serve.stopping import Stop


async def work(
    rb: Ringback,
    *,
    supervised: bool = False,
    ready: Callable[[Running], None] = lambda running: None,
) -> None:
    """Work until a signal asks to stop; then drain, and give back the rest.

    ``supervised``: a server started this process, and its end is seen on standard input.
    """
    stop = Stop(supervised=supervised)
    with stop.listening():
        async with rb.running(worker=True) as running:
            ready(running)
            with rare_collections():
                await stop.asked.wait()
