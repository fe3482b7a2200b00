"""Lets the tests of this folder import `helpers.py` and `published.py`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
