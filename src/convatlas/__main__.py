"""``python -m convatlas``, the same as ``convatlas``."""

from __future__ import annotations

import sys

from convatlas.cli import main

sys.exit(main())
