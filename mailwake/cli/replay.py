"""`mailwake replay …`: rebuild derived data from the log, compare it with the live one, swap it in."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from replay.differences import Comparison
    from replay.estimate import Estimate
    from replay.rebuild import Rebuilt
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
    from replay import rebuild as rebuilding
    from replay.estimate import estimated
    from replay.rebuild import Wanted
    from replay.span import InvalidSpan, span_between

    try:
        wanted = Wanted(reparse, span_between(begin, end), accept_loss)
    except InvalidSpan as error:
        raise CommandFailed(str(error), USAGE) from None
    if dry_run:
        with _replay(throttle, "", as_json) as replay:
            estimate = estimated(replay, wanted)
        _say_estimate(estimate, as_json)
        return
    with _replay(throttle, "rebuilding:", as_json) as replay:
        began = time.monotonic()
        rebuilt = rebuilding.rebuild(replay, wanted)
        seconds = round(time.monotonic() - began, 1)
    _say_rebuilt(rebuilt, seconds, as_json)


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

    with _replay(throttle, "verifying:", as_json) as replay:
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

    with _replay(throttle, "catching up:", as_json) as replay:
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

    with _replay(None, "", as_json) as replay:
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

    with _replay(None, "", as_json) as replay:
        kept.drop(replay, number)
    if as_json:
        print_json({"dropped": number})
    else:
        print_line(f"Generation {number} is removed.")


@contextmanager
def _replay(throttle: float | None, label: str, as_json: bool) -> "Iterator[Replay]":
    """Log and warehouse, held: so `mailwake up` must not be running."""
    from mailwake.cli.embedded_only import embedded
    from mailwake.cli.progress import progress
    from mailwake.keyring.opening import letter_seal
    from mailwake.opening import existing_log, open_warehouse
    from mailwake.pipeline import fresh_stages
    from mailwake.registry import use_registry
    from mailwake.settings import load_settings
    from replay.work import Pace, Replay
    from streams.log import LogInUse

    settings = embedded(load_settings(), "replay")
    use_registry(settings)
    with ExitStack() as stack:
        advance = stack.enter_context(progress(label, as_json=as_json))
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
            Pace(settings.step_records, throttle, settings.wait_seconds),
            advance,
            seal=letter_seal(settings),
        )


def _say_rebuilt(rebuilt: "Rebuilt", seconds: float, as_json: bool) -> None:
    from mailwake.cli.output import note, print_json, print_line
    from replay.rebuild import origin_of

    known = rebuilt.lineage
    made_from = origin_of(known)
    if as_json:
        found = {"generation": known.number, "made_from": made_from, "span": known.span}
        told = {"records": dict(rebuilt.records), "forgotten": rebuilt.forgotten, "seconds": seconds}
        print_json({**found, **told})
        return
    taken = ", ".join(f"{name} {count:,}" for name, count in rebuilt.records.items()) or "nothing new"
    print_line(f"Generation {known.number} is rebuilt from the {made_from} in {seconds} s: {taken} records.")
    if rebuilt.forgotten:
        print_line(
            f"{rebuilt.forgotten:,} documents can't be read any more, because somebody in them was erased or their "
            "tenant was forgotten: what was read in them before stays (outcome `forgotten` in the view documents)"
        )
    then = "" if known.span else ", then mailwake replay swap"
    note(f"to compare it with the live one: mailwake replay verify{then}")


def _say_estimate(estimate: "Estimate", as_json: bool) -> None:
    from dataclasses import asdict

    from mailwake.cli.output import print_json, print_line, print_table

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
