"""What stands in a document for a recipient who was erased: the hash that events knew them by, as an address.

`erased.<recipient_hash>@<domain>`: nobody can mail it or tell who it was, and whoever reads the document again finds the
same recipient, so the same events under the same ids.
"""

import re
from collections.abc import Callable

from schemas.keyring import TenantKeys
from schemas.recipient import InvalidAddress, normalised, recipient_hash

_STANDS_FOR = re.compile(r"erased\.([0-9a-f]{32})@[^@\s]+", re.IGNORECASE).fullmatch


def stand_in(hashed: str, address: str) -> str:
    """What to write in place of an address. Raises InvalidAddress."""
    return f"erased.{hashed}@{normalised(address).rpartition('@')[2]}"


def hash_in(address: str) -> str | None:
    """The recipient's hash that a stand-in was made with; None for any other address."""
    found = _STANDS_FOR(address)
    return found[1].lower() if found else None


def hashing(keys: TenantKeys, tenant: str, erased: int = 0) -> Callable[[str], str | None]:
    """What makes `recipient_hash` of the addresses in a document; `erased` is how many were taken out of that one.

    What it returns gives None for what is no address, and for everything where the tenant was forgotten. Asks for the key
    at once, so that whoever waits for a keyring has not begun with the document yet.
    """
    key = keys.hashing_key(tenant)

    def hashed(address: str) -> str | None:
        known = hash_in(address) if erased else None
        if known is not None or key is None:
            return known
        try:
            return recipient_hash(key, address)
        except InvalidAddress:
            return None

    return hashed
