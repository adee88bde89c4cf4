"""Which of a note's words are about a recipient: what a classification of the bounce can go by."""

import re
from functools import cached_property

from processors.mails.addresses import addresses_in
from processors.mails.phrases import DELAYS, FAILURES, is_told
from processors.mails.recipients import LINES, made_from
from processors.mails.told import has_code

WORDS = 2000
"""Characters of a note that are told of one recipient at most."""
MANY, WORDS_OF_MANY = 100, 300
"""With more recipients than this, so many characters: a mail of 10,000 would repeat its note in as many events."""
_REASON = re.compile(
    r"[\s>*#-]{0,12}(?:reason|because|for the following|error|technical|diagnos|the (?:response|reason|problem|error|remote)"
    r"|rcpt to|remote|status|smtp|session|grund|fehler|motivo|causa|raison|cause|причина|原因|理由|退信|エラー|사유"
    r"|[45]\d\d[ -])",
    re.I,
)
NEAR = 16
"""Lines after a recipient that can be about it."""


class Words:
    """A note's words, to be asked recipient by recipient."""

    def __init__(self, text: str, recipients: int = 1) -> None:
        self._text = text
        self._most = WORDS if recipients <= MANY else WORDS_OF_MANY
        self._lines = text.split("\n")[:LINES]

    @cached_property
    def gist(self) -> str | None:
        """The paragraphs that tell of the failure; the beginning where none does."""
        paragraphs = [one.strip() for one in self._text[:16_000].split("\n\n") if one.strip()]
        telling = [one for one in paragraphs[:40] if is_told(FAILURES, one[:WORDS])]
        return "\n".join(telling or paragraphs[:3])[: self._most] or None

    @cached_property
    def _places(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for at, line in enumerate(self._lines):
            if "@" in line:
                for address in addresses_in(line[:1000], 50):
                    places.setdefault(address.lower(), at)
        return places

    @cached_property
    def _starts(self) -> frozenset[int]:
        return frozenset(self._places.values())

    def about(self, address: str | None) -> str | None:
        """The words near an address, else the gist."""
        place = self._places.get(address.lower()) if address else None
        return self.gist if place is None else self.at(place, self._starts)

    def near(self, address: str | None) -> str | None:
        """The words near an address; None where the note names others only, of whom the gist may be."""
        named = address is not None and address.lower() in self._places
        return self.about(address) if named or not self._places else None

    def whole(self, address: str | None, mailed: tuple[str, ...]) -> str | None:
        """The address, which may be cut, as the note or the returned message, which was `mailed` to these, has it whole."""
        known = dict.fromkeys((*self._places, *(one.lower() for one in mailed)))
        if not address or address.lower() in known:
            return address
        begun = [one for one in known if one.startswith(address.lower())]
        return begun[0] if len(begun) == 1 else address

    def mailed(self, address: str | None) -> str | None:
        """The address that this one was made from by the receiver, where the note says so; else itself."""
        place = self._places.get(address.lower()) if address else None
        return address if place is None else made_from(self._lines, place) or address

    def at(self, place: int, starts: frozenset[int]) -> str | None:
        """The words about the recipient on that line: up to the next recipient, or a new paragraph.

        Where nothing tells of a failure there, what is said before as well; and else the gist.
        """
        taken = [self._lines[place].strip()]
        length = len(taken[0])
        tells = _tells(taken)
        for at in range(place + 1, min(len(self._lines), place + NEAR)):
            line = self._lines[at].strip()
            if at in starts or length > WORDS or (not line and tells and not self._goes_on(taken, at)):
                break
            if line:
                taken.append(line)
                length += len(line) + 1
                tells = _tells(taken)
        before = [line.strip() for line in self._lines[max(0, place - 6) : place] if line.strip()][-4:]
        if not tells:
            taken = [*before, *taken] if _tells(before) else [self.gist or "", *taken]
        said = "\n".join(taken)
        if len(starts) < 2 and not has_code(said):
            said = "\n".join([said, *(line for line in self._lines_with_codes if line not in said)])
        return said[: self._most]

    def _goes_on(self, taken: list[str], blank: int) -> bool:
        """Whether the paragraph after a blank line gives the reason for what was said."""
        if has_code("\n".join(taken)):
            return False
        following = next((line for line in self._lines[blank : blank + 4] if line.strip()), "")
        return taken[-1].endswith((":", "：")) or _REASON.match(following) is not None

    @cached_property
    def _lines_with_codes(self) -> list[str]:
        return [line.strip() for line in self._lines[:200] if has_code(line)][:3]


def _tells(taken: list[str]) -> bool:
    said = "\n".join(taken)[:WORDS]
    return has_code(said) or is_told(FAILURES, said) or is_told(DELAYS, said)
