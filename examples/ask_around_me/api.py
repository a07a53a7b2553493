"""What is answered at once: reads, and signing in.

A read says up to which position it holds, so that whoever subscribes after that position misses
nothing in between.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Cookie, Depends, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from ringback import Claims, TaskFailed
from ringback.errors import Forbidden, NotFound

from . import cells, files, pictures, questions, signin
from .model import MAX_TEXT, Around, Looked, Naming, Point, Session
from .service import area, authenticate, rb, records, sign_in, single

MIN_RADIUS = 100.0
"""Metres."""
MAX_BODY = 4096
"""Bytes that are read of a request: a name or a place is the most that is sent here."""


class Small(APIRoute):
    """A route that reads no large body: FastAPI itself reads whatever is sent, before anything of
    it is checked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            left = MAX_BODY

            async def receive() -> Message:
                nonlocal left
                message = await request.receive()
                left -= len(message.get("body", b""))
                if left < 0:
                    raise HTTPException(413, "Content Too Large")
                return message

            return await handle(Request(request.scope, receive))

        return bounded


def not_stored(response: Response) -> None:
    """Keep answers out of caches."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"


def same_origin(request: Request) -> None:
    """Refuse what another site's page sends. Raises ``Forbidden``."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Forbidden("Pages of other sites may not do this.")


async def caller(request: Request) -> Claims | None:
    """Who asks, if they say so."""
    claims = await authenticate(request.headers)
    if claims is not None:
        rb.started.service.revocations.check(claims)
    return claims


Caller = Annotated[Claims | None, Depends(caller)]
SessionCookie = Annotated[str | None, Cookie(alias=signin.COOKIE)]

router = APIRouter(prefix="/api", dependencies=[Depends(not_stored)], route_class=Small)


# Reading


async def position() -> str:
    """Where the newest message of all topics is."""
    newest = await rb.started.service.engine.follow(None, 1)
    return str(newest.position)


@router.get("/questions")
async def around(
    lat: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)],
    lng: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)],
    claims: Caller,
    radius: Annotated[float, Query(ge=MIN_RADIUS, le=cells.MAX_RADIUS)] = cells.MAX_RADIUS,
) -> Around:
    """What is asked around a point, nearest first."""
    before = await position()  # first: what is stored after the table was read comes after it
    centre = Point(lat=lat, lng=lng)
    cover = cells.cover(centre, radius)
    found, more, mine = await run_in_threadpool(
        records().around, centre, radius, cover, _subject(claims)
    )
    return Around(
        questions=found,
        cells=cover,
        topics=[area.name(cell=cell) for cell in cover],
        position=before,
        more=more,
        mine=mine,
    )


@router.get("/questions/{id}")
async def look(id: UUID, claims: Caller) -> Looked:
    """One question, with its heat map and one's own answer."""
    before = await position()
    try:
        found, mine = await run_in_threadpool(records().look, str(id), _subject(claims))
    except TaskFailed as error:
        raise NotFound(error.detail) from None
    topics = [single.name(question=found.question.id)]
    return Looked(
        question=found.question, heat=found.heat, topics=topics, position=before, mine=mine
    )


def _subject(claims: Claims | None) -> str | None:
    return None if claims is None else claims.subject


# Signing in


@router.post("/session", status_code=201, dependencies=[Depends(same_origin)])
async def begin(naming: Naming, request: Request, response: Response) -> Session:
    """Give a name; get a token."""
    session, cookie = await sign_in().begin(naming.name)
    _set_cookie(request, response, cookie)
    return session


@router.post("/session/refresh", dependencies=[Depends(same_origin)])
async def refresh(request: Request, response: Response, cookie: SessionCookie = None) -> Session:
    """Another token, for the same person."""
    session, cookie = await sign_in().refresh(rb, cookie)
    _set_cookie(request, response, cookie)
    return session


@router.delete("/session", status_code=204, dependencies=[Depends(same_origin)])
async def end(request: Request, response: Response, cookie: SessionCookie = None) -> None:
    """Sign out, everywhere."""
    await sign_in().end(rb, cookie)
    response.delete_cookie(signin.COOKIE, path=_cookie_path(request), httponly=True)


def _set_cookie(request: Request, response: Response, value: str) -> None:
    response.set_cookie(
        signin.COOKIE,
        value,
        max_age=signin.SESSION_LIFETIME,
        path=_cookie_path(request),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _cookie_path(request: Request) -> str:
    """The session's routes alone."""
    return f"{request.scope.get('root_path', '')}/api/session"


# What the page has to know


class Tiles(BaseModel):
    """Where pictures of the map come from, where there is a network."""

    url: str
    attribution: str = "© OpenStreetMap contributors"


class PhotoRules(BaseModel):
    """What pictures are taken."""

    max_size: int = pictures.MAX_SIZE
    types: tuple[str, ...] = pictures.TYPES
    max: int = questions.MAX_PHOTOS


class Place(Point):
    """A position with a name."""

    name: str


HOME = Place(lat=47.3769, lng=8.5417, name="Zürich")
"""Where the map begins for those who do not say where they are."""


class ByName(BaseModel):
    """People sign in here, with a name."""

    kind: str = "name"


class ByIssuer(BaseModel):
    """People bring the token of an issuer."""

    kind: str = "oidc"
    issuer: str | None
    audience: str | None


class Demo(BaseModel):
    """What only the demo can do; nothing has to be said of it."""


class Config(BaseModel):
    """What the page has to know before anything else."""

    radius: float = cells.MAX_RADIUS
    max_text: int = MAX_TEXT
    home: Place
    tiles: Tiles | None
    photos: PhotoRules
    sign_in: ByName | ByIssuer
    web_socket: str | None
    demo: Demo | None


@router.get("/config")
async def config(request: Request) -> Config:
    """What the page has to know before anything else."""
    settings, tiles = rb.settings, files.tiles()
    by_issuer = ByIssuer(issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    return Config(
        home=HOME,
        tiles=Tiles(url=tiles) if tiles is not None else None,
        photos=PhotoRules(),
        sign_in=ByName() if sign_in().local else by_issuer,
        web_socket=files.web_socket(),
        demo=Demo() if request.app.state.demo is not None else None,
    )
