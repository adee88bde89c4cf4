"""`mailwake demo`: thirty days of fifty domains, from nothing to answers."""

import json
import shlex
import shutil
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailwake.demo import Effect
    from mailwake.pipeline import Pipeline
    from sources.simulator import Incident

MESSAGES_PER_DAY = 7_000

MARKER = ".made-by-mailwake-demo"
"""What tells a demo's folder from one that holds something of value."""

CONFIGURATION = """# Made by mailwake demo, which makes this folder anew each time.
log = {log}
warehouse = {warehouse}
blobs = {blobs}
"""


def demo(
    folder: Annotated[Path, typer.Option(help="Where to put its log and warehouse; made anew.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
) -> None:
    """Simulate 30 days of 50 domains with a few incidents, run the pipeline, and show what came of it."""
    from mailwake.cli.output import note, print_line
    from mailwake.cli.progress import Increments, progress, waiting
    from mailwake.pipeline import opened
    from mailwake.settings import Settings
    from sources.simulator import Scenario, days_before_today, into_log

    configuration = _prepare(folder)
    settings = Settings.model_validate(_places(folder))
    scenario = Scenario(seed, days_before_today(30), messages_per_day=MESSAGES_PER_DAY, incidents="all")
    started = time.monotonic()
    note("Simulating 30 days of 50 sending domains, their incidents, and the DMARC reports about them ...")
    with ExitStack() as stack:
        with waiting("opening"):
            pipeline = stack.enter_context(opened(settings))
        with progress("simulating", at_first="simulating") as advance:
            report = into_log(pipeline.log, scenario, Increments(advance))
        simulated = time.monotonic()
        print_line(
            f"  {report.events:,} events and {report.documents:,} gzipped reports in the log "
            f"({simulated - started:.1f} s)"
        )
        note("Running the pipeline: parsing, admitting, counting, loading ...")
        with progress(at_first="running") as advance:
            pipeline.drain(advance)
        tallies = {runner.stage.name: runner.stage.tally() for runner in pipeline.runners}
        print_line(
            f"  {tallies['reputation'].repeats:,} repeated events and {tallies['documents'].repeats:,} repeated "
            f"reports recognised, {tallies['reputation'].late:,} counts beyond their horizon added "
            f"({time.monotonic() - simulated:.1f} s)\n"
        )
        _show(pipeline, report.incidents)
    _show_commands(configuration)


def _prepare(folder: Path) -> Path:
    from mailwake.cli.failures import USAGE, CommandFailed

    marker, configuration = folder / MARKER, folder / "mailwake.toml"
    if folder.exists() and not marker.exists() and any(folder.iterdir()):
        raise CommandFailed(f"{folder} is not empty, and no demo made it: name another with --folder", USAGE)
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()
    _refuse_if_running(folder / "mailwake.db")
    for made in (*folder.glob("mailwake.db*"), folder / "warehouse", folder / "blobs"):
        shutil.rmtree(made) if made.is_dir() else made.unlink(missing_ok=True)
    places = {name: json.dumps(place, ensure_ascii=False) for name, place in _places(folder).items()}
    configuration.write_text(CONFIGURATION.format(**places), "utf-8")
    return configuration


def _places(folder: Path) -> dict[str, str]:
    """The settings of a demo in this folder; the first two are URLs."""
    return {
        "log": f"sqlite:///{quote(str(folder / 'mailwake.db'))}",
        "warehouse": f"chdb:///{quote(str(folder / 'warehouse'))}",
        "blobs": str(folder / "blobs"),
    }


def _refuse_if_running(log: Path) -> None:
    """Raise LogInUse while a pipeline runs on what an earlier demo made."""
    from mailwake.opening import open_log_at

    if log.exists():
        opened = open_log_at(log)
        try:
            with opened.hold():
                pass
        finally:
            opened.close()


def _show(pipeline: "Pipeline", incidents: "Sequence[Incident]") -> None:
    from mailwake.cli.output import print_line, print_table
    from mailwake.cli.progress import waiting
    from mailwake.demo import DMARC_BY_DOMAIN, WORST_DOMAINS, effects

    with waiting("asking the warehouse"):
        worst = pipeline.warehouse.rows(WORST_DOMAINS)
        failing = pipeline.warehouse.rows(DMARC_BY_DOMAIN)
        found = effects(pipeline.warehouse, incidents)

    volumes = ("domain", "sent", "delivered %", "bounced %", "deferrals / 100 sent", "complained %")
    print_table(
        "Domains, the worst first (by complaints over 0.1 %, bounces over 2 %)",
        volumes,
        worst,
    )
    print_line()
    reported = ("domain", "policy", "messages", "DMARC pass %", "failing", "sources", "failing most from")
    print_table("DMARC, as receivers reported it", reported, failing)
    print_line()
    told = ("incident", "who", "at", "when (UTC)", "shows in", "before", "during")
    print_table("What the incidents did (the simulation knows the truth)", told, map(_row, found))


def _row(effect: "Effect") -> tuple[object, ...]:
    incident = effect.incident
    when = datetime.fromtimestamp(incident.start_ms / 1000, UTC).strftime("%d %b %H:%M")
    hours = (incident.end_ms - incident.start_ms) / 3_600_000
    kind = incident.kind.replace("_", " ")
    span = f"{when}, {hours:.0f} h"
    return (
        kind,
        incident.identity,
        incident.provider or "all",
        span,
        effect.measure,
        effect.before,
        effect.during,
    )


def _show_commands(configuration: Path) -> None:
    from mailwake.cli.output import print_line

    prefix = f"MAILWAKE_CONFIG={shlex.quote(str(configuration))} .venv/bin/mailwake"
    print_line(
        f"""
Three commands worth trying:

  {prefix} query "SELECT provider, enhanced_code, count() AS times, any(response) AS example FROM mail_events WHERE kind = 'deferred' GROUP BY ALL ORDER BY times DESC LIMIT 10"
  {prefix} status
  {prefix} up

The last one runs until it is stopped (Ctrl-C), and answers meanwhile. From another terminal:

  curl 'http://127.0.0.1:8123/?database=mailwake&query=SELECT+*+FROM+freshness+FORMAT+PrettyCompact'
"""
    )
