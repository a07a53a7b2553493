"""Ports that stay free while their server is not up yet, or is down to be started again.

Those that the system gives away by itself may be another's by then: any client's connection
takes one. These are below them, and each worker of a test run has some of its own.
"""

import itertools
import os
import random
import socket

FIRST, EACH = 16_000, 1_000
WORKERS = 16

_worker = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or 0)
_own = range(FIRST + _worker % WORKERS * EACH, FIRST + (_worker % WORKERS + 1) * EACH)
# Somewhere in between, as another run of the tests may be under way.
_ports = itertools.islice(itertools.cycle(_own), random.randrange(EACH), None)


def free_port() -> int:
    """A port on loopback that nobody listens on, and that no other test is given."""
    for port in itertools.islice(_ports, EACH):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"No port of {_own} is free.")
