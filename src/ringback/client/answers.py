"""What a server answered: its errors, as the classes it raised them of."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from ringback.errors import RingbackError, TaskFailed

Fields = dict[str, Any]
"""A JSON object of the contract."""


class Unreachable(RingbackError):
    """The server cannot be reached. Check its address, and whether it runs."""

    code = "unreachable"
    status = 503
    title = "Unreachable"
    retryable = True


class Refused(RingbackError):
    """The server refused the request."""

    code = "refused"
    title = "Refused"

    def __init__(self, detail: str | None = None, /, **fields: object) -> None:
        """``fields`` are those of the server's problem, its status among them."""
        super().__init__(detail, **fields)
        found = fields.get("status")
        self.http_status = found if isinstance(found, int) else self.status


def unreachable(url: str, error: httpx.HTTPError) -> Unreachable:
    """What happened to a connection, in words that lead somewhere."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Unreachable(
            f"Nothing answers at {url}. Is the server running (`ringback run`)? "
            "Give its address with --url or RINGBACK_URL, or a data folder with --data.",
            url=url,
        )
    if isinstance(error, httpx.TimeoutException):
        text = f"{url} did not answer in time."
    else:
        text = f"The connection to {url} was lost ({type(error).__name__})."
    return Unreachable(text, url=url, connected=True)


def problem_of(answer: httpx.Response) -> RingbackError:
    """The error in an answer: of the class the server raised, where that is known here."""
    try:
        problem = msgspec.json.decode(answer.content, type=Fields)
    except msgspec.MsgspecError:
        return not_ours(answer)
    retry_after = answer.headers.get("retry-after", "")
    if retry_after.isdigit():
        problem.setdefault("retry_after", int(retry_after))
    known = _known(problem)
    if known is None or known.status != answer.status_code:
        return Refused(
            problem.get("detail"), **{**_without(problem, "detail"), "status": answer.status_code}
        )
    return _raised(known, problem)


def failure_of(problem: Fields) -> RingbackError:
    """The error that ended an operation; ``TaskFailed`` where its class is not known here."""
    known = _known(problem)
    if known is None:
        return TaskFailed(problem.get("detail"), **_without(problem, "detail"))
    return _raised(known, problem)


def _raised(kind: type[RingbackError], problem: Fields) -> RingbackError:
    return kind(problem.get("detail"), **_without(problem, "detail", "type", "title", "status"))


def _without(problem: Fields, *names: str) -> Fields:
    return {name: value for name, value in problem.items() if name not in names}


def _known(problem: Fields) -> type[RingbackError] | None:
    return _classes().get(str(problem.get("type", "")).rpartition(":")[2])


def _classes() -> dict[str, type[RingbackError]]:
    """The errors that requests can meet, by their code."""
    found: dict[str, type[RingbackError]] = {}
    waiting: list[type[RingbackError]] = [RingbackError]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind.__init__ is RingbackError.__init__:
            found.setdefault(kind.code, kind)
    return found


def not_ours(answer: httpx.Response) -> Refused:
    kind = answer.headers.get("content-type", "nothing").partition(";")[0]
    return Refused(
        f"{answer.url.copy_with(query=None)} answered {answer.status_code} with {kind}, not as "
        "Ringback does. Check the address: it may be another server, or lack a path's prefix.",
        status=answer.status_code,
    )
