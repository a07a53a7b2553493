"""Times and lengths of time, for people."""

from __future__ import annotations

from datetime import datetime

_UNITS = ((7 * 86400, "w"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def parsed(text: str) -> float:
    """Seconds since the epoch, of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()


def span(seconds: float, units: int = 2) -> str:
    """A length of time, in its largest units."""
    if seconds < 1:
        return f"{max(seconds, 0.0) * 1000:.0f} ms"
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    left = round(seconds)
    shown: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or shown:
            shown.append(f"{count} {unit}" if count else "")
    return " ".join(filter(None, shown[:units]))


def ago(text: str, now: float) -> str:
    """How long ago; ``in …`` for what is to come."""
    passed = now - parsed(text)
    return f"in {span(-passed, 1)}" if passed < -1 else f"{span(passed, 1)} ago"
