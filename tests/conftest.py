"""Shared by all tests: our packages are ours, and nothing depends on the machine or the shell."""

from __future__ import annotations

import signal

from hypothesis import settings

from elasticdf.guard import check_siblings

check_siblings()
signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells have it ignored
settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("steady")
