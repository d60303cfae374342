"""What Python does first in a process that a test starts while rows are sent to a server: it sends its own there too."""

import os
import sys
from pathlib import Path

if os.environ.get("TESTS_WAREHOUSE_URL") and "sql.local_warehouse" not in sys.orig_argv:
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from tests.elsewhere import redirect

    redirect()
