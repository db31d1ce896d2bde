"""What is loaded is left out of later collections; garbage among it goes the next time."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from elasticdf.runtime.garbage import keep_what_is_loaded


class Node:
    """An object that can refer to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_later_collections_leave_it_out() -> None:
    node = Node()
    keep_what_is_loaded()
    assert gc.get_freeze_count() > 0
    assert all(found is not node for found in gc.get_objects())


def test_what_became_garbage_goes_the_next_time() -> None:
    node = Node()
    alive = weakref.ref(node)
    keep_what_is_loaded()
    del node
    gc.collect()
    assert alive() is not None
    keep_what_is_loaded()
    assert alive() is None
