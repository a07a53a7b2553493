"""A worker process: `python -m tests.durability.worker` works until it is told to stop.

It is a program of its own, and not the command line's, so that what is tested is the library.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from tests.durability.application import rb

READY = "ready"


async def main() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)  # it ends when the test run is gone
    async with rb.running(worker=True):
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        await stop.wait()
        loop.remove_reader(sys.stdin.fileno())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    asyncio.run(main())
