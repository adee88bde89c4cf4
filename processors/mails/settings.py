"""What a reader of mails is told about the sender's own addresses: VERP and unsubscribe patterns."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

_PLACES = {
    "local": r"[^@\s<>]{1,128}",
    "domain": r"[A-Za-z0-9._-]{1,253}",
    "address": r"[^@\s<>]{1,320}",
    "recipient_hash": r"[0-9a-fA-F]{32}",
    "message_id": r"[^@\s<>]{1,256}",
    "provider_message_id": r"[^@\s<>]{1,256}",
    "campaign": r"[^@\s<>]{1,128}",
    "any": r"[^@\s<>]{0,256}",
}
_PLACE = re.compile(r"\{([^{}]*)\}")


class InvalidPattern(ValueError):
    """A pattern of MailSettings that can't be; the message names it and says what to write."""


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The sender's own addresses that say whom a mail is about.

    A pattern is a template (`bounces+{local}={domain}@bounce.example.com`) or, where it has a `(?P<`, a regular expression
    with named groups that must match the whole address; letter case does not matter. Names: local, domain,
    address (`user=example.com`), recipient_hash, message_id, provider_message_id, campaign, any (what is not used).
    Raises InvalidPattern.
    """

    verp: tuple[str, ...] = ()
    """Envelope senders (variable envelope return paths) that bounces and complaints come back to."""
    unsubscribe: tuple[str, ...] = ()
    """Addresses of List-Unsubscribe that a mail to is a RecipientUnsubscribed; of its sender, where they name nobody."""
    patterns: tuple[tuple[Any, ...], tuple[Any, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        both = tuple(_compiled(one) for one in self.verp), tuple(_compiled(one) for one in self.unsubscribe)
        object.__setattr__(self, "patterns", both)

    def verp_of(self, address: str) -> dict[str, str] | None:
        """What the address names by the first `verp` pattern it matches."""
        return _matched(self.patterns[0], address)

    def unsubscribe_of(self, address: str) -> dict[str, str] | None:
        """What the address names by the first `unsubscribe` pattern it matches."""
        return _matched(self.patterns[1], address)


def _matched(patterns: tuple[Any, ...], address: str) -> dict[str, str] | None:
    for pattern in patterns:
        found = pattern.fullmatch(address)
        if found:
            return {name: value for name, value in found.groupdict().items() if value}
    return None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import re2

    written = pattern if "(?P<" in pattern else _from_template(pattern)
    try:
        compiled = re2.compile("(?i)" + written)
    except re2.error as error:
        raise InvalidPattern(f"{pattern!r} is no regular expression (RE2's syntax): {error}") from None
    unknown = set(compiled.groupindex) - set(_PLACES)
    if unknown:
        raise InvalidPattern(f"{pattern!r} has {sorted(unknown)}; names are {', '.join(_PLACES)}")
    return compiled


def _from_template(template: str) -> str:
    if "@" not in template:
        raise InvalidPattern(
            f"{template!r} is no address: write bounces+{{local}}={{domain}}@bounce.example.com"
        )
    written, at, seen = [], 0, set[str]()
    for place in _PLACE.finditer(template):
        name = place.group(1)
        if name not in _PLACES:
            raise InvalidPattern(f"{template!r} has {{{name}}}; places are {', '.join(_PLACES)}")
        if name in seen and name != "any":
            raise InvalidPattern(f"{template!r} has {{{name}}} twice")
        seen.add(name)
        shape = _PLACES[name]
        written.append(re.escape(template[at : place.start()]))
        written.append(shape if name == "any" else f"(?P<{name}>{shape})")
        at = place.end()
    written.append(re.escape(template[at:]))
    return "".join(written)
