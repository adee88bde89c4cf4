"""`mailwake message`: the life of one message."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

SHORT_HASH = 8
"""So much of a recipient's hash tells those of one message apart."""


def message(
    message_id: Annotated[
        str,
        typer.Argument(
            help="Its Message-ID, with or without brackets, or the id that the ESP or MTA gave it."
        ),
    ],
    tenant: Annotated[str | None, typer.Option(help="Whose message; MAILWAKE_TENANT unless given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything.")] = False,
) -> None:
    """Every event of one message in order: answers, what they mean, route, authentication. Exit code 1 when none is known."""
    from dataclasses import asdict

    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.output import complain, print_json, print_line
    from mailwake.cli.progress import waiting
    from mailwake.messages import MOST, timeline
    from mailwake.settings import load_settings

    settings = load_settings()
    with waiting("asking the warehouse", as_json=as_json):
        found = timeline(settings, tenant or settings.tenant, message_id)
    if as_json:
        print_json(asdict(found))
    elif found.events:
        _show(found)
        print_line()
    if not found.events:
        complain(f"nothing is known of message {message_id} of tenant {found.tenant}: {_until(found.loaded)}")
        raise typer.Exit(NOT_SO)
    if not as_json:
        print_line(_until(found.loaded))
    if found.cut:
        complain(f"there are more events than these first {MOST:,}")


def _show(found: Any) -> None:
    from mailwake.cli.output import plain, print_line, print_table

    for name, ids in (("Message-ID", found.message_ids), ("provider's id", found.provider_message_ids)):
        print_line(plain(f"{name:>15}  {', '.join(ids) or '(not known)'}"))
    for name, value in about(found.events).items():
        print_line(plain(f"{name:>15}  {value}"))
    print_line()
    columns, rows = table(found.events)
    print_table(None, columns, rows)


def about(events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What is the same in all events that say it: from whom, to whom, by which route, with which authentication expected.

    Of what differs, how many there are. A stream that is `other` says nothing: it is what sources tell that know none.
    """
    route = {
        name: (word, _values(events, name))
        for name, word in (
            ("ip", "addresses"),
            ("pool", "pools"),
            ("region", "regions"),
            ("stream", "streams"),
            ("campaign", "campaigns"),
        )
    }
    said = {
        "from": _same(_values(events, "from_domain"), "domains"),
        "envelope-from": _same(_values(events, "mail_from_domain"), "domains"),
        "recipient": _same(_recipients(events), "recipients"),
        "sent by": ", ".join(
            f"{name} {values[0]}" if len(values) == 1 else f"{len(values)} {word}"
            for name, (word, values) in route.items()
            if values
        ),
        "authentication": _authentication(events),
    }
    return {name: value for name, value in said.items() if value}


def table(events: Sequence[Mapping[str, Any]]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """The columns and rows of the events; whom each is about where they are not all about the same."""
    several = len(_recipients(events)) > 1
    columns = ("when", "what", *(("recipient",) if several else ()), "where", "meaning", "answer")
    rows = [
        (
            event["occurred_at"],
            event["kind"],
            *((_whom(event, SHORT_HASH),) if several else ()),
            _where(event),
            _meaning(event),
            _answer(event),
        )
        for event in events
    ]
    return columns, rows


def _values(events: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    values = dict.fromkeys(str(event[name]) for event in events if event.get(name))
    return [value for value in values if (name, value) != ("stream", "other")]


def _same(values: Sequence[str], word: str) -> str:
    return values[0] if len(values) == 1 else f"{len(values)} {word}" if values else ""


def _recipients(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each recipient once, with what any event says of it; one that is known by its domain only, where it is no other's."""
    domains: dict[str, str] = {}
    for event in events:
        if hashed := event.get("recipient_hash"):
            domains[hashed] = domains.get(hashed) or event.get("recipient_domain") or ""
    hashed_in = set(domains.values())
    others = [one for one in _values(events, "recipient_domain") if one not in hashed_in]
    return [f"{hashed} at {domain}" if domain else hashed for hashed, domain in domains.items()] + others


def _whom(event: Mapping[str, Any], most: int) -> str:
    hashed = (event.get("recipient_hash") or "")[:most]
    return " at ".join(filter(None, (hashed, event.get("recipient_domain"))))


def _authentication(events: Sequence[Mapping[str, Any]]) -> str:
    words: list[str] = []
    signed = dict.fromkeys(
        f"DKIM d={domain}" + (f" s={event['dkim_selector']}" if event.get("dkim_selector") else "")
        for event in events
        if (domain := event.get("dkim_domain"))
    )
    if len(signed) == 1:
        words += signed
    for name, what in (
        ("spf_aligned", "SPF alignment"),
        ("dkim_aligned", "DKIM alignment"),
        ("dmarc_expected", "DMARC"),
    ):
        expected = {bool(event[name]) for event in events if name in event}
        if len(expected) == 1:
            words.append(f"{what} {'expected' if True in expected else 'not expected'}")
    return ", ".join(words)


def _where(event: Mapping[str, Any]) -> str:
    words = [event.get("mx_host"), None if event.get("provider") == "other" else event.get("provider")]
    return " ".join(filter(None, words))


def _meaning(event: Mapping[str, Any]) -> str:
    if "bounce_class" in event:
        fatal = " (address dead)" if event.get("address_fatal") else ""
        return f"{event['bounce_class']}.{event['leaf']}{fatal}: {event['action']}"
    names = ("feedback_type", "reason", "method")
    machine = "by a machine" if event.get("is_machine") else ""
    return " ".join(filter(None, [*(event.get(name) for name in names), machine]))


def _answer(event: Mapping[str, Any]) -> str:
    from mailwake.cli.output import answer_line

    if event.get("response"):
        return answer_line(str(event["response"]))
    return " ".join(str(event[name]) for name in ("smtp_code", "enhanced_code") if event.get(name))


def _until(loaded: Sequence[Mapping[str, Any]]) -> str:
    events = [one for one in loaded if one["topic"].startswith("mail.events")]
    if not events:
        return "the warehouse holds no mail events yet (mailwake up, or run --until-idle, loads them)"
    until = max(one.get("recorded_until") or "" for one in events)
    return f"the warehouse holds what was recorded until {until}, loaded {max(one['loaded_at'] for one in events)}"
