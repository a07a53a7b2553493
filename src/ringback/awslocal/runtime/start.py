"""Run inside a function's process, before Lambda's own runtime client: ``start.py HANDLER``.

On AWS an API's ``@connections`` lie at ``https://ID.execute-api.REGION.amazonaws.com``, or at the
``domainName`` of an event; here at a gateway without TLS. Functions put that address together
themselves, so it is botocore's clients that are led there. Nothing of Ringback is imported: the
function's own code decides what is in its process.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

GATEWAYS = "RINGBACK_LOCAL_GATEWAYS"
"""Environment variable: JSON object, from a host to the URL of its gateway."""
LED = "botocore.session"
LIFE = "RINGBACK_LOCAL_LIFE"
"""Environment variable: the number of a pipe that ends with whoever started this."""


class Leading(importlib.abc.MetaPathFinder):
    """Waits for botocore, and bends how it makes clients."""

    def __init__(self, gateways: dict[str, str]) -> None:
        self._gateways = gateways

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != LED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            original = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                original(module)
                self._bend(module.Session)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def _bend(self, session: Any) -> None:
        gateways, create = self._gateways, session.create_client

        def led(self: Any, *positional: Any, **named: Any) -> Any:
            parts = urlsplit(named.get("endpoint_url") or "")
            if parts.netloc in gateways:
                named["endpoint_url"] = gateways[parts.netloc] + parts.path
            return create(self, *positional, **named)

        session.create_client = led


def end_with(life: int) -> None:
    """End, with all that was started here, once the other end of a pipe is closed: a handler that
    is at work asks nobody for a next event, and would not see that there is nobody.
    """
    os.set_inheritable(life, False)

    def wait() -> None:
        os.read(life, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, name="ringback-life", daemon=True).start()


def main() -> None:
    os.setpgid(0, 0)
    life = os.environ.pop(LIFE, "")
    if life:
        end_with(int(life))
    gateways = os.environ.pop(GATEWAYS, "")
    if gateways:
        sys.meta_path.insert(0, Leading(json.loads(gateways)))
    # As `python -m` has it, and not this file's folder.
    sys.path[0] = os.getcwd()  # noqa: PTH109 - pathlib would be a function's start longer
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
