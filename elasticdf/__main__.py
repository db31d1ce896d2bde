"""``python -m elasticdf``."""

import sys

from elasticdf.cli import main

sys.exit(main())
