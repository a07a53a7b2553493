"""The web application: FastAPI answers what can be answered at once, Ringback the rest.

``app`` is what is served: ``uvicorn ask_around_me.app:app``. The process that serves it also does
the work, unless ``RINGBACK_WORKERS=0`` leaves that to ``ringback worker ask_around_me.app``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from . import api, demo, files
from .problems import tell_problems
from .tasks import rb

__all__ = ["app", "rb"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Ringback's, with what the demo may have started meanwhile."""
    async with rb.lifespan(app):
        yield
        if app.state.demo is not None:
            await app.state.demo.neighbours.stop()
            app.state.demo = None


app = FastAPI(
    title="Ask Around Me",
    lifespan=lifespan,
    openapi_url="/api/openapi.json",
    docs_url=None,  # its scripts come from elsewhere, and the page's policy lets none in
    redoc_url=None,
)
app.state.demo = None
tell_problems(app)
app.include_router(api.router)
app.include_router(demo.router)
app.include_router(files.router)
app.mount("/static", files.Built())
app.mount("/", rb.asgi)  # last: what comes after it is never reached
