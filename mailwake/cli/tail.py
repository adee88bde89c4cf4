"""`mailwake tail`: follow a mail server's log."""

import signal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import tzinfo

    from mailwake.tail.opening import OpenTail, TailOptions


class Format(StrEnum):
    """Whose log it is."""

    POSTFIX = "postfix"
    KUMOMTA = "kumomta"
    POWERMTA = "powermta"
    HARAKA = "haraka"


class StreamName(StrEnum):
    """What kind of mail."""

    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"
    COLD = "cold"
    OTHER = "other"


ENVELOPE = "envelope"


def tail(
    files: Annotated[
        list[str],
        typer.Argument(help="Files, folders whose files are all followed, or patterns.", show_default=False),
    ],
    format_name: Annotated[Format, typer.Option("--format", help="Whose log it is.", show_default=False)],
    until_end: Annotated[
        bool, typer.Option("--until-end", "--once", help="Read to the end and stop.")
    ] = False,
    from_end: Annotated[
        bool, typer.Option("--from-end", help="When it first starts, pass over what is there already.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(help="The name its place is kept under; made of host, format and files unless given."),
    ] = None,
    from_domain: Annotated[
        str | None,
        typer.Option(
            help="The From domain where the log names none (Postfix's and Haraka's never do by themselves); 'envelope': the "
            "envelope-from's. Without it such mail has no reputation by domain."
        ),
    ] = None,
    stream: Annotated[StreamName, typer.Option(help="What kind of mail it is.")] = StreamName.OTHER,
    ip: Annotated[str | None, typer.Option(help="The sending address where the log names none.")] = None,
    pool: Annotated[str | None, typer.Option(help="The pool where the log names none.")] = None,
    zone: Annotated[
        str | None, typer.Option(help="The time zone of times that name none; this machine's by default.")
    ] = None,
    with_local: Annotated[
        bool, typer.Option("--with-local", help="Report deliveries that stay on the server as well.")
    ] = False,
    metrics_port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            help="Serve /metrics, /healthz and /readyz on this port of MAILWAKE_METRICS_HOST; 0: nowhere.",
        ),
    ] = 0,
    processes: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=64,
            help="How many processes read ahead while KumoMTA's or PowerMTA's log is far behind; by default one for each "
            "processor, at most three; 0: none.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Follow a mail server's log: each line's events once, through rotation, restarts and crashes.

    Example: mailwake tail --format postfix --from-domain example.com /var/log/mail.log

    With several From domains, --from-domain envelope where senders' bounce addresses have their domain, or let Postfix log From
    headers: header_checks with /^From:/ INFO.
    """
    import logging
    import threading
    from dataclasses import replace

    from mailwake.cli.failures import NOT_SO, REFUSED, USAGE, CommandFailed
    from mailwake.cli.progress import progress
    from mailwake.monitor.server import MonitorCannotListen, monitored
    from mailwake.monitor.tail import PARTS, watching
    from mailwake.settings import load_settings
    from mailwake.tail.opening import TailInUse, opened_tail

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = load_settings()
    options = _options(
        settings.tenant, files, format_name, name, from_end, from_domain, stream, (ip, pool), zone, with_local
    )
    options = replace(options, processes=processes)
    if until_end:
        _there(files)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with (
            monitored(settings.model_copy(update={"metrics_port": metrics_port}), PARTS) as monitor,
            opened_tail(settings, options) as opened,
            watching(monitor, opened),
        ):
            logging.getLogger("mailwake").info("tail %s into %s", opened.name, settings.log)
            with progress("reading", at_first="opening", as_json=as_json) as advance:
                opened.tail.advance = lambda lines: advance("lines", lines)
                opened.run(stopping, until_end, settings.wait_seconds)
            _print(opened, as_json)
            if until_end and (said := opened.not_its_format()):
                raise CommandFailed(said, NOT_SO)
            summary = opened.tail.summary
            if until_end and not summary.events.total() and (damaged := summary.lines["damaged"]):
                raise CommandFailed(f"not one event came of it; lines that are damaged: {damaged:,}", NOT_SO)
    except MonitorCannotListen:
        raise CommandFailed(
            f"--metrics-port {metrics_port}: can't listen there: stop what listens on it, or choose another port",
            REFUSED,
        ) from None
    except TailInUse as error:
        raise CommandFailed(str(error), REFUSED) from None
    except PermissionError as error:
        raise CommandFailed(
            f"{error.filename}: {error.strerror}: let this user read it (on Debian, the group adm may)", USAGE
        ) from None


def _options(
    tenant: str,
    files: list[str],
    format_name: Format,
    name: str | None,
    from_end: bool,
    from_domain: str | None,
    stream: StreamName,
    route: tuple[str | None, str | None],
    zone: str | None,
    with_local: bool,
) -> "TailOptions":
    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.tail.opening import TailOptions
    from processors.mta_logs.taking import LogSettings
    from schemas.mailbox import named_domain
    from schemas.recipient import InvalidAddress

    by_envelope = from_domain == ENVELOPE
    try:
        domain = None if by_envelope or from_domain is None else named_domain(from_domain)
    except InvalidAddress:
        raise CommandFailed(
            f"--from-domain {from_domain}: a domain is wanted, as in example.com, or {ENVELOPE}", USAGE
        ) from None
    for option, value, most in (("--name", name, 200), ("--pool", route[1], 256)):
        if value is not None and not 0 < len(value) <= most:
            raise CommandFailed(f"{option}: 1 to {most} characters are wanted", USAGE)
    return TailOptions(
        format_name.value,
        tuple(files),
        name,
        from_end,
        stream.value,
        _address(route[0]),
        route[1],
        LogSettings(
            tenant, from_domain=domain, from_envelope=by_envelope, zone=_zone(zone), with_local=with_local
        ),
    )


def _address(ip: str | None) -> str | None:
    import ipaddress

    from mailwake.cli.failures import USAGE, CommandFailed

    try:
        return None if ip is None else str(ipaddress.ip_address(ip))
    except ValueError:
        raise CommandFailed(f"--ip {ip}: an IP address is wanted", USAGE) from None


def _zone(name: str | None) -> "tzinfo":
    """The zone of this name, else this machine's."""
    import os
    from datetime import UTC
    from pathlib import Path
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from mailwake.cli.failures import USAGE, CommandFailed
    from sources.mta_logs.machines_zone import LOCALTIME, machines_zone

    named = name or os.environ.get("TZ", "").removeprefix(":")
    try:
        if named:
            return ZoneInfo(named)
        return machines_zone() if Path(LOCALTIME).exists() else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CommandFailed(
            f"{named or LOCALTIME}: no time zone that is known here; --zone Europe/Berlin, or UTC",
            USAGE,
        ) from None


def _there(files: list[str]) -> None:
    import glob
    from pathlib import Path

    from mailwake.cli.failures import USAGE, CommandFailed

    for file in files:
        matched = glob.has_magic(file) and glob.glob(file)  # noqa: PTH207 - of any folder
        if not Path(file).exists() and not matched:
            raise CommandFailed(f"{file}: no such file or folder", USAGE)


def _print(opened: "OpenTail", as_json: bool) -> None:
    from mailwake.cli.output import print_json, print_line

    summary = opened.tail.summary
    if as_json:
        print_json(
            {
                "lines": dict(summary.lines),
                "events": dict(summary.events),
                "bytes": summary.bytes,
                "dead_letters": summary.letters,
                "given_up": summary.given_up,
            }
        )
        return
    print_line(
        ", ".join(f"{name} {count:,}" for name, count in sorted(summary.events.items())) or "no events"
    )
    print_line(
        "lines: " + (", ".join(f"{name} {count:,}" for name, count in summary.lines.items()) or "none")
    )
    if damaged := summary.lines["damaged"]:
        print_line(
            f"{damaged:,} lines could not be understood; {summary.letters:,} of them are kept: mailwake dead-letters list"
        )
