"""`mailwake replay …`: rebuild derived data from the log, compare it with the live one, swap it in."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from replay.differences import Comparison
    from replay.rebuild import Wanted
    from replay.work import Replay

app = typer.Typer(
    name="replay",
    no_args_is_help=True,
    help="Rebuild derived data from the log, compare it with the live one, swap it in.",
)
generations = typer.Typer(name="generations", no_args_is_help=True, help="Lineages of derived data.")
app.add_typer(generations)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Throttle = Annotated[
    float | None,
    typer.Option(min=1, metavar="EVENTS_PER_S", help="The most records that each stage takes in a second."),
]


@app.command()
def rebuild(
    reparse: Annotated[
        bool, typer.Option("--reparse", help="From the documents, not from the facts once read in them.")
    ] = False,
    begin: Annotated[
        datetime | None, typer.Option("--from", help="Load only events from this time on (UTC), to compare.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", help="Load only events before this time (UTC), to compare.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read and how long it takes; change nothing.")
    ] = False,
    throttle: Throttle = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on though retention removed some of the facts.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fill the next generation from the log; goes on with a rebuild that was interrupted."""
    from mailwake.cli.failures import USAGE, CommandFailed
    from replay.rebuild import Wanted
    from replay.span import InvalidSpan, span_between

    try:
        wanted = Wanted(reparse, span_between(begin, end), accept_loss)
    except InvalidSpan as error:
        raise CommandFailed(str(error), USAGE) from None
    with _replay(throttle, "rebuilding") as replay:
        if dry_run:
            _say_estimate(replay, wanted, as_json)
        else:
            _rebuild(replay, wanted, as_json)


@app.command()
def verify(
    rows: Annotated[int, typer.Option(min=1, help="Show at most so many differing rows of a view.")] = 10,
    throttle: Throttle = None,
    as_json: Json = False,
) -> None:
    """Compare the rebuilt generation with the live one, view by view; exits with 1 when they differ."""
    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.output import print_json, print_line, print_table
    from replay import verify as comparing

    with _replay(throttle, "catching up") as replay:
        verified = comparing.verify(replay, rows)
    if as_json:
        from dataclasses import asdict

        views = [{**asdict(c), "equal": c.equal} for c in verified.comparisons]
        found = {"live": verified.live, "rebuilt": verified.rebuilt, "equal": verified.equal, "views": views}
        print_json(found)
    else:
        print_table(
            f"Generation {verified.rebuilt} beside the live one, {verified.live}",
            ("view", "live rows", "rebuilt rows", "live digest", "rebuilt digest", ""),
            [
                (
                    c.view,
                    c.live_rows,
                    c.rebuilt_rows,
                    c.live_digest,
                    c.rebuilt_digest,
                    "" if c.equal else "differs",
                )
                for c in verified.comparisons
            ],
        )
        for comparison in verified.comparisons:
            _say_differences(comparison)
        print_line("\nThey are equal." if verified.equal else "\nThey differ.")
    if not verified.equal:
        raise typer.Exit(NOT_SO)


@app.command()
def swap(throttle: Throttle = None, as_json: Json = False) -> None:
    """Catch up with what arrived since the rebuild, then let the views show the rebuilt generation."""
    from mailwake.cli.output import note, print_json, print_line
    from replay import swap as swapping

    with _replay(throttle, "catching up") as replay:
        before = replay.warehouse.current_generation()
        live = swapping.swap(replay)
    if as_json:
        print_json({"live": live.number, "before": before})
    else:
        print_line(f"Generation {live.number} is live; it was {before}.")
        note(f"to give back the space of the former one: mailwake replay generations drop {before}")


@generations.command("list")
def list_generations(as_json: Json = False) -> None:
    """The generations there are, what they are made from, and what is stored of them."""
    from dataclasses import asdict

    from mailwake.cli.output import print_json, print_table
    from replay import generations as kept
    from replay.span import shown

    with _replay(None, "") as replay:
        there = kept.listed(replay)
    if as_json:
        print_json({"generations": [asdict(one) for one in there]})
        return
    rows = [
        (
            one.number,
            one.standing,
            one.made_from,
            one.rows,
            one.shadow_bytes,
            shown(one.span) if one.span else "",
        )
        for one in there
    ]
    print_table(None, ("generation", "standing", "made from", "rows", "shadow bytes", "span"), rows)


@generations.command("drop")
def drop_generation(
    number: Annotated[int, typer.Argument(help="Which one; not the live one.")], as_json: Json = False
) -> None:
    """Remove a generation from warehouse and log, and give its space back."""
    from mailwake.cli.output import print_json, print_line
    from replay import generations as kept

    with _replay(None, "") as replay:
        kept.drop(replay, number)
    if as_json:
        print_json({"dropped": number})
    else:
        print_line(f"Generation {number} is removed.")


@contextmanager
def _replay(throttle: float | None, label: str) -> "Iterator[Replay]":
    """Log and warehouse, held: so `mailwake up` must not be running."""
    from mailwake.opening import existing_log, open_warehouse
    from mailwake.pipeline import fresh_stages
    from mailwake.settings import load_settings
    from replay.work import Pace, Replay
    from streams.log import LogInUse

    settings = load_settings()
    with ExitStack() as stack:
        log = existing_log(settings)
        stack.callback(log.close)
        try:
            stack.enter_context(log.hold())
        except LogInUse as error:
            raise LogInUse(
                f"{error}. A replay needs the log and the warehouse to itself: programs may go on emitting, and "
                "mailwake up catches up when it is started again"
            ) from None
        warehouse = open_warehouse(settings)
        stack.callback(warehouse.close)
        warehouse.migrate()
        yield Replay(
            log,
            warehouse,
            lambda: fresh_stages(settings),
            Pace(settings.step_records, throttle),
            stack.enter_context(_progress(label)),
        )


@contextmanager
def _progress(label: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each stage with its rate and remaining time, on a terminal; nothing elsewhere."""
    import sys
    import time

    if not (label and sys.stderr.isatty()):
        yield lambda name, records, left: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        rate,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}
        began = time.monotonic()

        def advance(name: str, records: int, left: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(f"{label}: {name}", total=None, rate="")
            bars.advance(tasks[name], records)
            task = bars.tasks[tasks[name]]
            per_s = task.completed / max(time.monotonic() - began, 0.001)
            bars.update(tasks[name], total=task.completed + left, rate=f"{per_s:,.0f}/s")

        yield advance


def _rebuild(replay: "Replay", wanted: "Wanted", as_json: bool) -> None:
    import time

    from mailwake.cli.output import note, print_json, print_line
    from replay import rebuild as rebuilding

    began = time.monotonic()
    rebuilt = rebuilding.rebuild(replay, wanted)
    seconds = round(time.monotonic() - began, 1)
    known = rebuilt.lineage
    made_from = rebuilding.origin_of(known)
    if as_json:
        found = {"generation": known.number, "made_from": made_from, "span": known.span}
        print_json({**found, "records": dict(rebuilt.records), "seconds": seconds})
        return
    taken = ", ".join(f"{name} {count:,}" for name, count in rebuilt.records.items()) or "nothing new"
    print_line(f"Generation {known.number} is rebuilt from the {made_from} in {seconds} s: {taken} records.")
    then = "" if known.span else ", then mailwake replay swap"
    note(f"to compare it with the live one: mailwake replay verify{then}")


def _say_estimate(replay: "Replay", wanted: "Wanted", as_json: bool) -> None:
    from dataclasses import asdict

    from mailwake.cli.output import print_json, print_line, print_table
    from replay.estimate import estimated

    estimate = estimated(replay, wanted)
    if as_json:
        print_json({"dry_run": True, **asdict(estimate)})
        return
    doing = "go on with" if estimate.goes_on else "begin"
    print_line(f"This would {doing} generation {estimate.generation}, from the {estimate.made_from}:\n")
    print_table(None, ("topic", "records to read"), estimate.reads.items())
    print_line(f"\nAbout {estimate.rows:,} rows in about {estimate.seconds:,.0f} s. Nothing was changed.")


def _say_differences(comparison: "Comparison") -> None:
    from mailwake.cli.output import print_line

    for difference in comparison.differences:
        named = ", ".join(f"{name}={value}" for name, value in difference.key.items())
        print_line(f"\n{comparison.view}: {named or 'a row'}")
        if difference.live is None or difference.rebuilt is None:
            only, row = (
                ("rebuilt", difference.rebuilt) if difference.live is None else ("live", difference.live)
            )
            print_line(f"  only in the {only} generation: {_shown(row or {})}")
        else:
            print_line(f"  live:    {_shown(difference.live)}")
            print_line(f"  rebuilt: {_shown(difference.rebuilt)}")


def _shown(row: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)
