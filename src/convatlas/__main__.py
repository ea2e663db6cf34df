"""``python -m convatlas``, the same as ``convatlas``."""

from __future__ import annotations

import os
import sys

from convatlas.cli import main

code = main()
if os.environ.get("WORLD_SIZE", "1") != "1":
    # One of several processes is done when all is written. Threads of gloo's that outlive the
    # interpreter now and then abort the process, and with it a run that was at its end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
sys.exit(code)
