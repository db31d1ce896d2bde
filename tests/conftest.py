"""Shared by all tests: our packages are ours, and hypothesis does not depend on the machine."""

from __future__ import annotations

from hypothesis import settings

from elasticdf.guard import check_siblings

check_siblings()
settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("steady")
