"""How often a process that serves looks for cycles."""

import gc
import weakref

import pytest

from ringback.serve.collecting import YOUNG, rare_collections


class Knot:
    """A cycle, with itself."""

    def __init__(self) -> None:
        self.own = self


@pytest.mark.parametrize("own", [(700, 10, 10), (YOUNG * 2, 5, 5), (0, 10, 10)])
def test_what_was_there_is_not_looked_at_and_the_rest_less_often(own: tuple[int, int, int]) -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.set_threshold(*own)
    try:
        with rare_collections():
            assert gc.get_threshold()[0] == (max(YOUNG, own[0]) if own[0] else 0)
            assert gc.get_threshold()[1:] == own[1:]
            assert gc.get_freeze_count() > frozen
            knot = weakref.ref(Knot())
            gc.collect()
            assert knot() is None, "what comes later is collected"
        assert gc.get_threshold() == own
        assert gc.get_freeze_count() == 0
    finally:
        gc.set_threshold(*before)
