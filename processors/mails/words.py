"""Which of a note's words are about a recipient: what a classification of the bounce can go by."""

from functools import cached_property

from processors.mails.addresses import addresses_in
from processors.mails.phrases import FAILURES, is_told
from processors.mails.recipients import LINES, made_from

WORDS = 2000
"""Characters of a note that are told of one recipient at most."""
NEAR = 16
"""Lines after a recipient that can be about it."""


class Words:
    """A note's words, to be asked recipient by recipient."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.split("\n")[:LINES]

    @cached_property
    def gist(self) -> str | None:
        """The paragraphs that tell of the failure; the beginning where none does."""
        paragraphs = [one.strip() for one in self._text[:16_000].split("\n\n") if one.strip()]
        telling = [one for one in paragraphs[:40] if is_told(FAILURES, one[:WORDS])]
        return "\n".join(telling or paragraphs[:3])[:WORDS] or None

    @cached_property
    def _places(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for at, line in enumerate(self._lines):
            if "@" in line:
                for address in addresses_in(line[:1000], 50):
                    places.setdefault(address.lower(), at)
        return places

    def about(self, address: str | None) -> str | None:
        """The words near an address, else the gist."""
        place = self._places.get(address.lower()) if address else None
        return self.gist if place is None else self.at(place, frozenset(self._places.values()) - {place})

    def mailed(self, address: str | None) -> str | None:
        """The address that this one was made from by the receiver, where the note says so; else itself."""
        place = self._places.get(address.lower()) if address else None
        return address if place is None else made_from(self._lines, place) or address

    def at(self, place: int, starts: frozenset[int]) -> str | None:
        """The words about the recipient on that line: up to the next recipient, or a new paragraph.

        Where nothing is said there, what is said before.
        """
        taken = [self._lines[place].strip()]
        length, blanks = len(taken[0]), 0
        for at in range(place + 1, min(len(self._lines), place + NEAR)):
            line = self._lines[at].strip()
            if (at in starts and _says_something(taken)) or length > WORDS:
                break
            if not line:
                blanks += 1
                if blanks > 1 or _says_something(taken):
                    break
                continue
            blanks = 0
            taken.append(line)
            length += len(line) + 1
        if _says_something(taken):
            return "\n".join(taken)[:WORDS]
        before = [line.strip() for line in self._lines[max(0, place - 6) : place] if line.strip()]
        return "\n".join([*before[-4:], *taken])[:WORDS]


def _says_something(taken: list[str]) -> bool:
    said = "\n".join(taken)[:WORDS]
    for address in addresses_in(said, 20):
        said = said.replace(address, "")
    return len(said.strip(" <>:\n\t-*")) > 12
