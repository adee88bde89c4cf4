"""Bounces that are no DSN, written after what mail systems are documented and known to write, in their languages.

Each names its sender, subject and note; the message that came back is RETURNED or nothing.
"""

from bounces_in_languages import IN_LANGUAGES
from bounces_of_systems import OF_SYSTEMS

MADE = (*OF_SYSTEMS, *IN_LANGUAGES)
"""More than sixty of them."""
