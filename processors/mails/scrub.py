"""Taking addresses out of what events hold, however they are written there."""

import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache

from processors.mails.addresses import any_replaced, forms_of
from schemas.mail import without_addresses

WORDS_CHARACTERS = 4096
"""How much of a receiver's words an event holds."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MAY_ENCODE = re.compile(r"[A-Za-z0-9+/_-]{8}")


class Scrub:
    """Takes recipients' addresses out of texts, however they are written there."""

    def __init__(self, *recipients: tuple[str | None, str | None]) -> None:
        """Each is an address and its hash; the hash stands for it in ids, `address` where there is no hash."""
        self._recipients = [(one, hashed or "address") for one, hashed in recipients if one and "@" in one]

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
        if not text:
            return text
        lower = text.lower()
        for address, hashed in self._recipients:
            local = address.rpartition("@")[0].lower()
            if local in lower:
                for form in forms_of(address):
                    if form in lower:
                        text = _without(text, form, by or hashed)
                        lower = text.lower()
            if _MAY_ENCODE.search(text):
                for encoded in _encodings(address):
                    if encoded in text:
                        text = text.replace(encoded, by or hashed)
        return text


def _without(text: str, form: str, by: str) -> str:
    """A text with what is in lower case there replaced, whatever its case."""
    lower = text.lower()
    if len(lower) != len(text):
        return re.sub(re.escape(form), lambda _: by, text, flags=re.IGNORECASE)
    kept, at = [], 0
    while (found := lower.find(form, at)) >= 0:
        kept += [text[at:found], by]
        at = found + len(form)
    return "".join([*kept, text[at:]])


@lru_cache(maxsize=64)
def _encodings(address: str) -> tuple[str, ...]:
    return tuple(_encoded(address))


def _encoded(address: str) -> Iterator[str]:
    for written in dict.fromkeys((address, address.lower())):
        octets = written.encode("utf-8", "replace")
        yield b64encode(octets).decode().rstrip("=")
        yield b64encode(octets, b"-_").decode().rstrip("=")
        yield octets.hex()
