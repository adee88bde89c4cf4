"""What stands in a document for a recipient who was erased: the hash that events knew them by, as an address.

`erased.<recipient_hash>@<domain>`: nobody can mail it or tell who it was, and whoever reads the document again finds the
same recipient, so the same events under the same ids.
"""

import re
from collections.abc import Callable

from schemas.recipient import normalised

_STANDS_FOR = re.compile(r"erased\.([0-9a-f]{32})@[^@\s]+", re.IGNORECASE).fullmatch


def stand_in(hashed: str, address: str) -> str:
    """What to write in place of an address. Raises InvalidAddress."""
    return f"erased.{hashed}@{normalised(address).rpartition('@')[2]}"


def hash_in(address: str) -> str | None:
    """The recipient's hash that a stand-in was made with; None for any other address."""
    found = _STANDS_FOR(address)
    return found[1].lower() if found else None


def knowing_stand_ins(hashed: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """What makes a `recipient_hash` of an address in a document, be it one that recipients were taken out of.

    A document does not say for sure that it is: the same bytes may come again while they are erased.
    """
    return lambda address: hash_in(address) or hashed(address)
