"""Errors of our own routes, told as Ringback tells its own: problems (RFC 9457)."""

from __future__ import annotations

import logging
import math
import sqlite3

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ringback import RingbackError
from ringback.errors import InvalidInput, StoreUnavailable

log = logging.getLogger("ask_around_me")


def told(request: Request, error: Exception) -> JSONResponse:
    """A problem, with the headers that belong to its status."""
    problem, headers = _problem(error)
    problem["instance"] = request.url.path
    return JSONResponse(
        problem,
        status_code=int(str(problem["status"])),
        headers=headers | {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
        media_type="application/problem+json",
    )


def _problem(error: Exception) -> tuple[dict[str, object], dict[str, str]]:
    if isinstance(error, HTTPException):
        problem: dict[str, object] = {
            "type": "about:blank",
            "title": error.detail,
            "status": error.status_code,
        }
        return problem, dict(error.headers or {})
    if isinstance(error, RequestValidationError):
        error = InvalidInput(
            "What was sent does not fit. Each entry of errors points at one fault.",
            errors=[
                # Without where it was looked for: "body", "query".
                {"pointer": "".join(f"/{part}" for part in each["loc"][1:]), "detail": each["msg"]}
                for each in error.errors()
            ],
        )
    if isinstance(error, sqlite3.OperationalError):  # locked for too long, or no disk left
        log.warning("The questions' store cannot answer: %s", error)
        error = StoreUnavailable("The questions cannot be reached. Try again.", retry_after=1.0)
    if not isinstance(error, RingbackError):
        raise error
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="ask-around-me"'
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return error.problem(), headers


def tell_problems(app: FastAPI) -> None:
    """Have an application answer with problems."""
    for kind in (HTTPException, RequestValidationError, RingbackError, sqlite3.OperationalError):
        app.add_exception_handler(kind, told)
