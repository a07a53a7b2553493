"""Clients of AWS's services: botocore's, made when they are first asked for something."""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

from ringback.errors import ConfigurationError

TRIES = 4
"""Of one request: a function has little time, and what called it tries again."""
PATIENCE = 5.0
"""Seconds that a try may take."""
AT_ONCE = 32
"""Connections to one service."""

_making = threading.Lock()


@functools.cache
def _session() -> Any:
    try:
        from botocore.session import get_session
    except ImportError as error:
        raise ConfigurationError('This takes botocore: pip install "ringback[aws]".') from error
    return get_session()


def client(service: str, url: str | None = None) -> Any:
    """A client of a service, which may be at an address of its own."""
    with _making:  # making them is not made for threads
        session = _session()
        from botocore.config import Config

        return session.create_client(
            service,
            # Lambda sets both names; botocore knows the second only.
            region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
            endpoint_url=url,
            config=Config(
                connect_timeout=PATIENCE,
                read_timeout=PATIENCE,
                max_pool_connections=AT_ONCE,
                retries={"mode": "standard", "total_max_attempts": TRIES},
            ),
        )
