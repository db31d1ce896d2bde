"""Threads that wait for a processor, and sandboxes that forbid asking for it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from elasticdf.runtime.scheduling import wait_for_a_processor


def test_only_the_calling_thread_changes() -> None:
    before = os.sched_getscheduler(0)

    def policy() -> int:
        wait_for_a_processor()
        return os.sched_getscheduler(0)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(policy).result() == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == before


def test_a_sandbox_that_forbids_it_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    wait_for_a_processor()
