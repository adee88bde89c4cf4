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
    """Takes one recipient's address out of texts, however it is written there."""

    def __init__(self, address: str | None, hashed: str | None) -> None:
        self._hash = hashed or "address"
        self._forms = forms_of(address) if address and "@" in address else ()
        self._encoded = tuple(_encodings(address)) if self._forms else ()

    def text(self, text: str) -> str:
        """An id, a campaign: the hash stands for the address."""
        return self._replaced(_CONTROL.sub("", text), self._hash).strip()

    def words(self, words: str) -> str:
        """A receiver's words: `<address>` stands for every address."""
        if len(words) > 2 * WORDS_CHARACTERS:
            words = words[: 2 * WORDS_CHARACTERS].rpartition(" ")[0] or words[:WORDS_CHARACTERS]
        clear = without_addresses(any_replaced(self._replaced(_CONTROL.sub(" ", words), "<address>")))
        return clear.replace("<<address>>", "<address>")[:WORDS_CHARACTERS].strip()

    def _replaced(self, text: str, by: str) -> str:
        if not self._forms:
            return text
        lower = text.lower()
        for form in self._forms:
            if form in lower:
                text = re.sub(re.escape(form), lambda _: by, text, flags=re.IGNORECASE)
                lower = text.lower()
        for encoded in self._encoded:
            if encoded in text:
                text = text.replace(encoded, by)
        return text


def _encodings(address: str | None) -> Iterator[str]:
    for written in {address or "", (address or "").lower()}:
        octets = written.encode("utf-8", "replace")
        yield b64encode(octets).decode().rstrip("=")
        yield b64encode(octets, b"-_").decode().rstrip("=")
        yield octets.hex()
