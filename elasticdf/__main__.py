"""``elasticdf`` and ``python -m elasticdf``: hears Ctrl-C before the command line is imported."""

import sys

from elasticdf.interrupt import leaving


def main() -> int:
    """Import the command line and run it."""
    with leaving():
        from elasticdf.cli import main as run
    return run()


if __name__ == "__main__":
    sys.exit(main())
