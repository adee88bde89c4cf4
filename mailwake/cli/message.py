"""`mailwake message`: the life of one message."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer


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
    for name, value in _about(found.events).items():
        print_line(plain(f"{name:>15}  {value}"))
    print_line()
    rows = [
        (event["occurred_at"], event["kind"], _where(event), _meaning(event), _answer(event))
        for event in found.events
    ]
    print_table(None, ("when", "what", "where", "meaning", "answer"), rows)


def _about(events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What is the same all along: from whom, to whom, by which route, with which authentication expected."""
    merged: dict[str, Any] = {}
    for event in events:
        merged = {**event, **merged}
    said = {
        "from": merged.get("from_domain"),
        "envelope-from": merged.get("mail_from_domain"),
        "recipient": " at ".join(
            filter(None, (merged.get("recipient_hash"), merged.get("recipient_domain")))
        ),
        "sent by": ", ".join(
            f"{name} {merged[name]}"
            for name in ("ip", "pool", "region", "stream", "campaign")
            if merged.get(name)
        ),
        "authentication": _authentication(merged),
    }
    return {name: value for name, value in said.items() if value}


def _authentication(merged: Mapping[str, Any]) -> str:
    words = []
    if domain := merged.get("dkim_domain"):
        words.append(
            f"DKIM d={domain}" + (f" s={merged['dkim_selector']}" if merged.get("dkim_selector") else "")
        )
    for name, what in (
        ("spf_aligned", "SPF alignment"),
        ("dkim_aligned", "DKIM alignment"),
        ("dmarc_expected", "DMARC"),
    ):
        if name in merged:
            words.append(f"{what} {'expected' if merged[name] else 'not expected'}")
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
    if event.get("response"):
        return str(event["response"])
    return " ".join(str(event[name]) for name in ("smtp_code", "enhanced_code") if event.get(name))


def _until(loaded: Sequence[Mapping[str, Any]]) -> str:
    events = [one for one in loaded if one["topic"].startswith("mail.events")]
    if not events:
        return "the warehouse holds no mail events yet (mailwake up, or run --until-idle, loads them)"
    until = max(one.get("recorded_until") or "" for one in events)
    return f"the warehouse holds what was recorded until {until}, loaded {max(one['loaded_at'] for one in events)}"
