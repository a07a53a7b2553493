"""Garbage collection in a process that serves.

Python looks for cycles after every 700 new objects, and from time to time at all there are: some
hundred thousand that were imported and never go. Under load the first was a twelfth of the
processor's time, and the second the longest pause that a request met.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 5000
"""New objects after which cycles are looked for: most of what a request makes has gone by then, and
what is kept too long is a megabyte or so."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look less often while the context lasts, and not at what is there when it begins.

    A higher threshold of the application's own stays, and so does a collector that is switched off.
    """
    before = gc.get_threshold()
    gc.freeze()
    if before[0]:
        gc.set_threshold(max(YOUNG, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
