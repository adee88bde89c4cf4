"""`mailwake rules`: the rules that say what a bounce means."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from replay.ruleset_diff import Meaning, RulesetDiff

app = typer.Typer(no_args_is_help=True, help="The rules that say what a bounce means: lint, diff.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


@app.command()
def lint(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="A ruleset's folder; the active one where not given.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that each rule of a ruleset can match, is not shadowed, and holds for its examples.

    Exit code 1 when something is wrong; each line names file, rule and what to do.
    """
    from mailwake.cli.failures import NOT_SO, CommandFailed
    from mailwake.cli.output import print_json, print_line
    from processors.classification.lint import lint as findings_of
    from processors.classification.ruleset import RulesetError, active_ruleset, load_ruleset

    try:
        ruleset = active_ruleset() if folder is None else load_ruleset(folder)
        findings = [str(finding) for finding in findings_of(ruleset)]
        name, rules = ruleset.name, len(ruleset.rules)
    except RulesetError as error:
        name, rules, findings = str(folder or "active"), 0, [str(error)]
    if as_json:
        print_json({"ruleset": name, "rules": rules, "findings": findings})
        raise typer.Exit(NOT_SO if findings else 0)
    if findings:
        raise CommandFailed("\n".join((*findings, f"{len(findings)} wrong in ruleset {name}")))
    print_line(f"ruleset {name}: {rules} rules, each matches what it says")


@app.command()
def diff(
    one: Annotated[str, typer.Argument(help="A ruleset: its name, or its folder.")],
    other: Annotated[str, typer.Argument(help="The one to compare it with.")],
    begin: Annotated[
        datetime | None,
        typer.Option("--from", help="Only failures from this time on, UTC.", show_default=False),
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", help="Only failures before this time, UTC.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What the failures in the log mean by two rulesets, and what moves: by class, provider and domain. Changes nothing.

    Exit code 1 when something moves.
    """
    from mailwake.cli.failures import NOT_SO, USAGE, CommandFailed
    from mailwake.cli.output import print_json
    from mailwake.cli.progress import progress
    from mailwake.opening import existing_any_log
    from mailwake.registry import use_registry
    from mailwake.settings import load_settings
    from processors.classification.ruleset import RulesetError, ruleset_named
    from replay.ruleset_diff import compare, summary
    from schemas.record import millis_of

    try:
        rulesets = ruleset_named(one), ruleset_named(other)
    except RulesetError as error:
        raise CommandFailed(str(error), USAGE) from None
    span = (millis_of(begin) if begin else None, millis_of(end) if end else None)
    if begin and end and begin >= end:
        raise CommandFailed("--from is not before --to: no failure is in between", USAGE)
    settings = load_settings()
    use_registry(settings)
    log = existing_any_log(settings)
    try:
        with progress("judged", as_json=as_json) as advance:
            found = compare(log, *rulesets, span, lambda records: advance("records", records))
    finally:
        log.close()
    if as_json:
        print_json(summary(found))
    else:
        _show(found)
    if found.moved:
        raise typer.Exit(NOT_SO)


def _show(found: "RulesetDiff") -> None:
    from mailwake.cli.output import print_line, print_table

    print_line(
        f"{found.moved:,} of {found.failures:,} failures mean something else by {found.other} than by {found.one}; "
        f"{found.newly_fatal:,} become fatal to the address, {found.no_longer_fatal:,} are no longer"
    )
    print_line(
        f"for these bounces {found.newly_suppressed:,} addresses more would be suppressed, and "
        f"{found.no_longer_suppressed:,} no longer"
    )
    if not found.moved:
        return
    rows = []
    for pair, count in found.by(lambda move: (move.before, move.after)):
        before, after = cast("tuple[Meaning, Meaning]", pair)
        example = next(iter(found.examples.get((before, after), ())), "")
        rows.append(
            (count, _meaning(before), _meaning(after), " → ".join(found.rules[before, after]), example[:160])
        )
    print_line()
    print_table("By class", ("failures", found.one, found.other, "rules", "for example"), rows)
    for title, what in (
        ("By provider", lambda move: move.provider),
        ("By From domain", lambda move: move.from_domain),
    ):
        print_line()
        print_table(
            title, ("failures", ""), [(count, name or "(none)") for name, count in found.by(what)][:20]
        )


def _meaning(meaning: "Meaning") -> str:
    fatal = f", fatal to the address after {meaning.after}" if meaning.address_fatal else ""
    retried = "" if meaning.message_fatal else ", tried again"
    return f"{meaning.bounce_class}.{meaning.leaf} ({meaning.scope}): {meaning.action}{fatal}{retried}"
