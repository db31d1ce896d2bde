"""``elasticdf`` and ``python -m elasticdf``: hears Ctrl-C before the command line is imported."""

import os
import signal
import sys
from types import FrameType

_INTERRUPTED = 130


def main() -> int:
    """Import the command line and run it."""
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:  # else the shell said to ignore Ctrl-C
        # Raised amid imports, an interrupt is printed with its traceback and may get lost.
        signal.signal(signal.SIGINT, _leave)
    from elasticdf.cli import main as run

    signal.signal(signal.SIGINT, heard)
    return run()


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing has been opened or written yet."""
    del number, frame
    os.write(2, b"interrupted\n")
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
