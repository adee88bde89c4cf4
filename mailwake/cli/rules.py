"""`mailwake rules`: the rules that say what a bounce means."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The rules that say what a bounce means: lint.")

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
