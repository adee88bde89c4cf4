"""`mailwake inspect`: what a file would become, keeping nothing."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailwake.cli.ingest import Paths, line_of

if TYPE_CHECKING:
    from mailwake.inspecting import Inspector
    from schemas.record import Event


def inspect(
    paths: Paths,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line per document found, events included.")
    ] = False,
) -> None:
    """What files would become: their events, what failures mean, warnings, reasons. Appends nothing.

    Recipients are shown in clear, to you alone. Exit code 1 when a document would be rejected.
    """
    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.output import plain, print_json, print_line
    from mailwake.cli.progress import waiting
    from mailwake.inspecting import Inspector
    from mailwake.settings import load_settings
    from sources.files import files_under

    inspector = Inspector(load_settings())
    is_any_rejected = False
    for path in files_under(paths):
        with waiting(f"inspecting {path.name}", as_json=as_json):
            inspections = list(inspector.files(path))
        for where, found in ((where, found) for where, read in inspections for found in read.documents):
            outcome = found.outcome.model_dump(mode="json")
            is_any_rejected = is_any_rejected or outcome["outcome"] == "rejected"
            if as_json:
                events = [inspector.told(event) for event in found.events]
                print_json(line_of(where, outcome) | {"events": events})
                continue
            reason = outcome["reason"] or "; ".join(outcome["warnings"])
            said = f"{outcome['records']} records"
            head = [where, outcome["member"] or "", outcome["kind"], outcome["outcome"], said, reason]
            print_line(plain("  ".join(str(part) for part in head if part)))
            _print_report(found.events)
            _print_messages(found.events, inspector)
    if is_any_rejected:
        raise typer.Exit(NOT_SO)


def _print_report(events: "tuple[Event, ...]") -> None:
    from mailwake.cli.output import print_table
    from schemas.dmarc import DmarcRecordReported

    names = ("source_ip", "count", "disposition", "dkim", "spf", "header_from", "envelope_from")
    rows = [
        [getattr(event, name) for name in names] for event in events if isinstance(event, DmarcRecordReported)
    ]
    if rows:
        print_table(None, names, rows)


def _print_messages(events: "tuple[Event, ...]", inspector: "Inspector") -> None:
    from mailwake.cli.output import print_table
    from schemas.mail import MailEvent

    rows = [_message(event, inspector) for event in events if isinstance(event, MailEvent)]
    if rows:
        print_table(None, ("event", "recipient", "means", "codes", "response", "message"), rows)


def _message(event: Any, inspector: "Inspector") -> list[Any]:
    from mailwake.cli.output import answer_line

    verdict = inspector.verdict(event)
    told = (getattr(event, name, None) for name in ("feedback_type", "reason", "method"))
    means = " ".join(filter(None, told))
    if verdict is not None:
        fatal = ", fatal to the address" if verdict.address_fatal else ""
        means = f"{verdict.bounce_class}.{verdict.leaf}{fatal}"
    codes = (getattr(event, "smtp_code", None), getattr(event, "enhanced_code", None))
    said = answer_line(getattr(event, "response", None) or "")
    recipient = inspector.recipient(event) or event.recipient_domain or ""
    of_message = event.message_id or event.provider_message_id or ""
    return [type(event).__name__, recipient, means, " ".join(str(c) for c in codes if c), said, of_message]
