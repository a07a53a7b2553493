"""What is measured in functions: a task that tells a topic, and one that is followed itself."""

from __future__ import annotations

from ringback import Operation, Ringback
from ringback.core.access import Claims

rb = Ringback("bench")


def _known(claims: Claims, user: str) -> bool:
    return claims.subject == user


rb.topic("news/{user}", subscribe=_known)


@rb.task(timeout=20)
async def tell(user: str, n: int, op: Operation) -> int:
    await op.publish(f"news/{user}", {"n": n})
    return n


@rb.task(timeout=20)
async def work(n: int) -> int:
    return n


handler = rb.lambda_handler()
