"""What a home has done, as figures: for people at its end, and for whoever counts the cost."""

from __future__ import annotations

import time
from typing import Any

from ringback.awslocal.gateway import SocketGateway
from ringback.awslocal.home import Home


async def summary(home: Home) -> dict[str, Any]:
    """Plain values: good for JSON."""
    return {
        "seconds": round(time.monotonic() - home.began, 1),
        "functions": {
            name: {
                "invocations": usage.invocations,
                "cold_starts": usage.cold_starts,
                "errors": usage.errors,
                "timeouts": usage.timeouts,
                "throttles": usage.throttles,
                "billed_ms": usage.billed_ms,
                "gb_seconds": round(usage.gb_seconds, 6),
                "memory_size": home.stack.functions[name].memory,
                "memory_used": usage.memory,
                "init_ms": round(sum(usage.init_ms) / len(usage.init_ms), 1)
                if usage.init_ms
                else None,
            }
            for name, usage in home.functions.usage.items()
        },
        "apis": {
            name: {
                "kind": "websocket" if isinstance(gateway, SocketGateway) else "http",
                "url": home.urls[name],
                **_plain(gateway.counts),
            }
            for name, gateway in home.gateways.items()
        },
        "requests": await home.requests(),
    }


def _plain(counts: Any) -> dict[str, Any]:
    return {
        # JSON's names are text.
        name: {str(key): each for key, each in value.items()} if isinstance(value, dict) else value
        for name, value in vars(counts).items()
    }
