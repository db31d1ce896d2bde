"""When garbage is looked for: once after loading, not again in what stays.

A full collection looks through every object the imports and the artifact left, with all threads
stopped meanwhile: milliseconds in which no request is answered.
"""

from __future__ import annotations

import gc


def keep_what_is_loaded() -> None:
    """Remove garbage, then leave what is left out of later collections.

    May be called again: what became garbage since is removed then.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
