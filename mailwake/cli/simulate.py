"""`mailwake simulate`: traffic that never was, with incidents whose truth is known, into the log."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer


def simulate(
    days: Annotated[float, typer.Option(help="How long it lasts, from an hour (0.042) to ten years.")] = 30.0,
    domains: Annotated[int, typer.Option(min=1, max=100_000, help="How many sending domains.")] = 50,
    messages_per_day: Annotated[
        int, typer.Option(min=1, max=100_000_000, help="By all domains together, on average.")
    ] = 9_000,
    seed: Annotated[int, typer.Option(help="The same seed and options give the same bytes.")] = 1,
    start: Annotated[
        datetime | None, typer.Option(help="When it begins, UTC; else so that it ends with yesterday.")
    ] = None,
    incidents: Annotated[
        Literal["none", "some", "all"], typer.Option(help="Five of them, or one of each kind.")
    ] = "some",
    truth: Annotated[
        Path | None, typer.Option(help="Write the incidents here: kind, identity, provider, start, end.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Append simulated mail events and DMARC reports to the log.

    Running it again with the same options appends the same events, which are then recognised and counted once.
    """
    from mailwake.cli.embedded_only import what_loads
    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.cli.output import note, print_json, print_line
    from mailwake.cli.progress import Increments, progress
    from mailwake.opening import open_any_log
    from mailwake.settings import load_settings
    from schemas.record import millis_of
    from sources.simulator import Scenario, days_before_today, into_log, write_truth

    settings = load_settings()
    if not 1 / 24 <= days <= 3653:
        raise CommandFailed(f"--days: got {days:g}, wants from an hour (0.042) to ten years (3653)", USAGE)
    if start and not 1970 < start.year < 2200:
        raise CommandFailed(f"--start: got {start}, wants a time from 1971 to 2199", USAGE)
    if truth and not truth.absolute().parent.is_dir():
        raise CommandFailed(f"--truth: there is no folder {truth.absolute().parent}", USAGE)
    begin = millis_of(start) if start else days_before_today(days)
    try:
        scenario = Scenario(
            seed, begin, days, domains, messages_per_day, incidents=incidents, tenant=settings.tenant
        )
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None
    log = open_any_log(settings)
    try:
        with progress("simulated", at_first="simulating", as_json=as_json) as advance:
            report = into_log(log, scenario, Increments(advance))
    finally:
        log.close()
    if truth:
        write_truth(truth, report.incidents)
    if as_json:
        print_json(
            {"events": report.events, "documents": report.documents, "incidents": len(report.incidents)}
        )
    else:
        print_line(
            f"{report.events:,} events, {report.documents:,} DMARC reports, {len(report.incidents)} incidents appended"
        )
        note(f"to count and load them: {what_loads(settings)}")
