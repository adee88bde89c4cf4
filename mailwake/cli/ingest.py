"""`mailwake ingest`: documents from files and folders."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mailwake.ingestion import Processed

Paths = Annotated[
    list[Path], typer.Argument(help="Files, or folders that are gone through.", show_default=False)
]

MANY = 200
"""Documents up to this many are listed; of more, how many came to what, and those that something is wrong with."""
_COLUMNS = ("path", "member", "kind", "outcome", "records", "reason or warnings")
_WRONG = ("rejected", "partial", "conflict", "forgotten")


def ingest(
    paths: Paths,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line per document found.")] = False,
) -> None:
    """Append documents (reports, mails, archives of them), process them, and say what became of each.

    Of more than 200, it says how many came to what, and lists those that something is wrong with. Exit code 1 when a
    document was rejected; it is kept all the same.
    """
    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.output import complain, print_json
    from mailwake.cli.progress import progress, waiting
    from mailwake.ingestion import Processed, ingest_files
    from mailwake.settings import load_settings
    from sources.files import files_under

    settings = load_settings()
    with waiting("looking for files", as_json=as_json):
        files = list(files_under(paths))
    results: list[Processed] = []
    with progress("ingesting:", {"files": len(files)}, as_json=as_json) as advance:
        for result in ingest_files(settings, files, advance):
            results.append(result)
            if as_json:
                print_json(line_of(result.path, result.outcome))
    if not files:
        complain(f"no file in {', '.join(map(str, paths))}: there was nothing to take")
    elif not as_json:
        _print_all(results) if len(results) <= MANY else _print_summary(results)
    if any(result.outcome["outcome"] == "rejected" for result in results):
        raise typer.Exit(NOT_SO)


def line_of(path: Path, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """What a JSON line says of one document found in a file."""
    names = ("member", "sha256", "kind", "outcome", "records", "warnings", "reason")
    return {"path": str(path)} | {name: outcome[name] for name in names}


def _print_all(results: "Sequence[Processed]") -> None:
    from mailwake.cli.output import print_table

    print_table(None, _COLUMNS, _rows(results))


def _print_summary(results: "Sequence[Processed]") -> None:
    from mailwake.cli.output import print_line, print_table

    documents: Counter[tuple[str, str]] = Counter()
    records: Counter[tuple[str, str]] = Counter()
    for result in results:
        became = result.outcome["kind"], result.outcome["outcome"]
        documents[became] += 1
        records[became] += result.outcome["records"]
    rows = [(*became, count, records[became]) for became, count in documents.most_common()]
    print_table(None, ("kind", "outcome", "documents", "records"), rows)
    if wrong := [result for result in results if result.outcome["outcome"] in _WRONG]:
        print_table(None, _COLUMNS, _rows(wrong[:MANY]))
    if len(wrong) > MANY:
        print_line(
            f"and {len(wrong) - MANY:,} more of those; the view documents has all of them, as --json does"
        )


def _rows(results: "Sequence[Processed]") -> Iterator[list[Any]]:
    for result in results:
        said = result.outcome
        why = said["reason"] or "; ".join(said["warnings"])
        yield [result.path, said["member"], said["kind"], said["outcome"], said["records"], why]
