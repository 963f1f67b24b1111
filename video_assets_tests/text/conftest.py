from __future__ import annotations

import sys
from pathlib import Path

# Tests are imported one by one, without packages: this folder's helpers are found here.
sys.path.insert(0, str(Path(__file__).parent))
