"""Makes the judged cases importable, and the mails that the reader's tests share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "processors" / "mails"))
