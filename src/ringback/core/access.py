"""Who may do what: claims in, yes or no out. Deny first.

A caller is known by claims (a verified JWT) or holds one operation's own token. An operation
belongs to the subject that submitted it; nobody else learns even that it exists.
"""

from __future__ import annotations

import msgspec

from ringback.core.model import OperationState

ADMIN_SCOPE = "ringback:admin"
"""The OAuth scope (RFC 6749 §3.3) that sees and redrives every subject's operations."""


METRICS_SCOPE = "ringback:metrics"
"""The scope that reads what the process does, and nothing else: for who watches over it."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a caller."""

    subject: str | None = None
    """JWT ``sub``; None: anonymous."""
    scopes: frozenset[str] = frozenset()
    """JWT ``scope``, split."""
    expires_at: float | None = None
    operation: str | None = None
    """The id of the one operation whose token the caller showed."""
    subscribe: tuple[str, ...] = ()
    """Filters of the topics that the token says its bearer may follow."""
    publish: tuple[str, ...] = ()
    """Likewise, may publish to."""
    issued_at: float | None = None
    """JWT ``iat``: what was issued before a revocation is over with it."""
    extra: dict[str, object] = {}
    """Every other claim, for a hook to look at."""

    @property
    def admin(self) -> bool:
        """Whether the caller administers this server."""
        return ADMIN_SCOPE in self.scopes


ANONYMOUS = Claims()


def may_follow(claims: Claims, state: OperationState) -> bool:
    """Whether the caller may see and cancel this operation, and send the bytes of its upload."""
    if claims.operation is not None and claims.operation == state.id:
        return True
    if claims.admin:
        return True
    return claims.subject is not None and claims.subject == state.subject


def may_forget(claims: Claims, state: OperationState) -> bool:
    """Whether the caller may delete this operation: what belongs to somebody, only they may.

    A token stands in URLs and is passed on to let others look.
    """
    return may_follow(claims, state) and (
        state.subject is None or claims.admin or claims.subject == state.subject
    )


def may_submit(claims: Claims, *, development: bool, public: bool) -> bool:
    """Whether the caller may submit at all. One operation's token never suffices."""
    if development or public:
        return True
    return claims.subject is not None
