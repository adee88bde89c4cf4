"""Delivery status notifications (RFC 3464; internationalised: RFC 6533), as MTAs write them."""

import re
from collections.abc import Iterator

from processors.mails.addresses import host_of, typed_address, without_xtext
from processors.mails.told import Action, Notice, Outcome

RECIPIENTS = 20_000
"""How many recipients of one notification are told."""

STATUS_TYPES = frozenset(
    {
        "message/delivery-status",
        "message/global-delivery-status",
        "text/delivery-status",
        "message/delivery_status",
    }
)

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60})[ \t]{0,10}:(.*)", re.S)
_PER_MESSAGE = {"reporting-mta", "original-envelope-id", "arrival-date", "received-from-mta", "dsn-gateway"}
_OF_A_RECIPIENT = {
    "final-recipient", "original-recipient", "action", "status", "remote-mta", "diagnostic-code",
    "last-attempt-date", "will-retry-until", "x-actual-recipient", "x-display-name", "final-log-id",
    "x-supplementary-info", "x400-supplementary-info",
}  # fmt: skip
_SAID_BY = re.compile(r"host ([\w.-]{3,253})\s?\[[0-9a-fA-F.:]{3,45}\](?::\d{1,5})?\s?(?:said|refused)", re.I)
_ONLY_CODES = re.compile(r"[\s#]*[245]\d\d[\s\-]*(?:[245]\.\d{1,3}\.\d{1,3})?\s*")
_LOOKS = re.compile(r"^(?:final|original)-recipient[ \t]{0,10}:", re.I | re.M)


def looks_like_status(text: str) -> bool:
    """Whether a text has the fields of a delivery status, wherever it stands."""
    return _LOOKS.search(text) is not None and "\nDisposition:" not in text


def notice_of(status: str) -> Notice:
    """What a delivery-status part tells. Its `words` are None where it has no diagnostic."""
    message: dict[str, str] = {}
    outcomes: list[Outcome] = []
    warnings: list[str] = []
    for group in _groups(status, message):
        if len(outcomes) == RECIPIENTS:
            warnings.append(f"has more than {RECIPIENTS} recipients: the rest was not told")
            break
        outcome = _outcome(group, warnings)
        if outcome is not None:
            outcomes.append(outcome)
    return Notice(
        tuple(outcomes),
        message.get("original-envelope-id", "").strip() or None,
        host_of(message.get("reporting-mta", "")),
        message.get("arrival-date") or None,
        message.get("x-original-message-id") or None,
        tuple(dict.fromkeys(warnings)),
    )


def _groups(status: str, message: dict[str, str]) -> Iterator[dict[str, str]]:
    """The fields of each recipient. Blank lines divide them, and so does a field that was had already."""
    group: dict[str, str] = {}
    is_new_block = True
    for name, value in _fields(status):
        if not name:
            is_new_block = True
            continue
        if name in _PER_MESSAGE and not group:
            message.setdefault(name, value)
            is_new_block = False
            continue
        names_somebody = name in ("final-recipient", "original-recipient")
        had = "final-recipient" in group or "original-recipient" in group
        if group and (
            (names_somebody and (name in group or (is_new_block and had)))
            or (is_new_block and had and name in group)
        ):
            yield group
            group = {}
        is_new_block = False
        if name in _OF_A_RECIPIENT or (group and name.startswith("x-")):
            group.setdefault(name, value)
        else:
            message.setdefault(name, value)
    if group:
        yield group


def _fields(status: str) -> Iterator[tuple[str, str]]:
    """Unfolded fields, and ("", "") for each blank line."""
    name, held = "", list[str]()
    for line in status.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line[:1] in (" ", "\t") and line.strip():
            if name and len(held) < 200:
                held.append(line.strip())
            continue
        if name:
            yield name, " ".join(held)[:4096]
            name = ""
        if not line.strip():
            yield "", ""
            continue
        match = _FIELD.match(line[:4096])
        if match:
            name, held = match.group(1).lower(), [match.group(2).strip()]
        elif held:
            # A folded line that lost its indentation: damage of gateways that re-wrap text.
            name, held = "", held
    if name:
        yield name, " ".join(held)[:4096]


def _outcome(group: dict[str, str], warnings: list[str]) -> Outcome | None:
    mailed, final = (typed_address(group.get(f"{which}-recipient", "")) for which in ("original", "final"))
    address = (final if mailed and final and without_xtext(mailed) == final else mailed) or final
    if address is None:
        address = typed_address(group.get("x-actual-recipient", ""))
    status = group.get("status")
    if address is None and "final-recipient" not in group and "action" not in group and not status:
        return None
    action = _action(group.get("action"), status)
    if action is None:
        warnings.append("a recipient has neither an Action nor a Status: went by what else the mail says")
    words = _words(group)
    mx_host = host_of(group.get("remote-mta", ""))
    said_by = _SAID_BY.search(words or "")
    if said_by:
        mx_host = said_by.group(1).lower()
    at = group.get("last-attempt-date")
    return Outcome(address, action or "failed", status, words, mx_host, at, is_unsaid=action is None)


def _words(group: dict[str, str]) -> str | None:
    diagnostic = group.get("diagnostic-code", "")
    kind, separator, words = diagnostic.partition(";")
    words = words.strip() if separator and re.fullmatch(r"[\w. -]{0,40}", kind) else diagnostic.strip()
    supplement = group.get("x400-supplementary-info", "") or group.get("x-supplementary-info", "")
    status = group.get("status", "")
    comment = status.strip()[len(status.strip().split(" ")[0]) :].strip() if status else ""
    action_comment = group.get("action", "").partition("(")[2].rstrip(") ")
    said = [
        one.strip()
        for one in (words, supplement.strip('"'), comment.strip("()") if not words else "")
        if one.strip()
    ]
    if not said and action_comment:
        said = [action_comment]
    return "\n".join(said) or None


def is_only_codes(words: str) -> bool:
    """Whether a diagnostic says no more than codes do."""
    return _ONLY_CODES.fullmatch(words) is not None


def _action(action: str | None, status: str | None) -> Action | None:
    word = (action or "").strip().lower().split("(")[0].split(";")[0].strip(" .\"'")
    first = word.split(" ")[0] if word else ""
    if first in ("failed", "failure", "fail", "error", "undeliverable", "bounced", "rejected", "expired"):
        return "failed"
    if first in ("delayed", "delay", "deferred", "warning", "transient"):
        return "delayed"
    if first in ("delivered", "deliverable", "success"):
        return "delivered"
    if first in ("relayed", "relay"):
        return "relayed"
    if first in ("expanded", "expand"):
        return "expanded"
    match (status or "").strip()[:1]:
        case "5":
            return "failed"
        case "4":
            return "failed" if first else "delayed"
        case "2":
            return "delivered"
        case _:
            return None
