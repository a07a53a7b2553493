"""What all errors have in common."""

from __future__ import annotations

from typing import ClassVar


class RingbackError(Exception):
    """Something in Ringback went wrong. The server's log has the details."""

    code: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    """The code in words, unless a class says another."""
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        if "title" not in cls.__dict__:
            cls.title = cls.code.replace("-", " ").capitalize()

    def __init__(self, detail: str | None = None, /, **fields: object) -> None:
        """``detail`` replaces the default message; ``fields`` are data a program can act on."""
        self.detail = detail if detail is not None else " ".join((self.__doc__ or "").split())
        self.fields = fields
        super().__init__(self.detail)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which trying again makes sense, where that is known."""
        value = self.fields.get("retry_after")
        return float(value) if isinstance(value, int | float) else None

    def problem(self) -> dict[str, object]:
        """The error as an RFC 9457 problem object. A ``status`` among the fields counts if it
        says that something failed.
        """
        status = self.fields.get("status")
        if not isinstance(status, int) or not 400 <= status <= 599:
            status = self.status
        problem = {
            "type": f"urn:ringback:problem:{self.code}",
            "title": self.title,
            "status": status,
            "detail": self.detail,
        }
        return problem | self.fields | {"status": status}
