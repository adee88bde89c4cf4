"""Taking addresses out of what events hold, however they are written there."""

import re
from base64 import b64encode
from collections.abc import Iterator

from processors.mails.addresses import any_replaced, forms_of
from schemas.mail import without_addresses

WORDS_CHARACTERS = 4096
"""How much of a receiver's words an event holds."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Scrub:
    """Takes recipients' addresses out of texts, however they are written there."""

    def __init__(self, *recipients: tuple[str | None, str | None]) -> None:
        """Each is an address and its hash; the hash stands for it in ids, `address` where there is no hash."""
        self._hidden = [
            (form, hashed or "address")
            for address, hashed in recipients
            if address and "@" in address
            for form in forms_of(address)
        ]
        self._encoded = [
            (encoded, hashed or "address")
            for address, hashed in recipients
            if address and "@" in address
            for encoded in _encodings(address)
        ]

    def text(self, text: str) -> str:
        """An id, a campaign: the hash stands for the address."""
        return self._replaced(_CONTROL.sub("", text), None).strip()

    def words(self, words: str) -> str:
        """A receiver's words: `<address>` stands for every address."""
        if len(words) > 2 * WORDS_CHARACTERS:
            words = words[: 2 * WORDS_CHARACTERS].rpartition(" ")[0] or words[:WORDS_CHARACTERS]
        clear = without_addresses(any_replaced(self._replaced(_CONTROL.sub(" ", words), "<address>")))
        return clear.replace("<<address>>", "<address>")[:WORDS_CHARACTERS].strip()

    def _replaced(self, text: str, by: str | None) -> str:
        lower = text.lower()
        for form, hashed in self._hidden:
            if form in lower:
                text = re.sub(re.escape(form), by or hashed, text, flags=re.IGNORECASE)
                lower = text.lower()
        for encoded, hashed in self._encoded:
            if encoded in text:
                text = text.replace(encoded, by or hashed)
        return text


def _encodings(address: str) -> Iterator[str]:
    for written in dict.fromkeys((address, address.lower())):
        octets = written.encode("utf-8", "replace")
        yield b64encode(octets).decode().rstrip("=")
        yield b64encode(octets, b"-_").decode().rstrip("=")
        yield octets.hex()
