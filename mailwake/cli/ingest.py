"""`mailwake ingest`: documents from files and folders."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

Paths = Annotated[
    list[Path], typer.Argument(help="Files, or folders that are gone through.", show_default=False)
]


def ingest(
    paths: Paths,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line per document found.")] = False,
) -> None:
    """Append documents (reports, mails, archives of them), process them, and say what became of each.

    Exit code 1 when a document was rejected; it is kept all the same.
    """
    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.output import complain, print_json, print_table
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
        print_table(
            None, ("path", "member", "kind", "outcome", "records", "reason or warnings"), _rows(results)
        )
    if any(result.outcome["outcome"] == "rejected" for result in results):
        raise typer.Exit(NOT_SO)


def line_of(path: Path, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """What a JSON line says of one document found in a file."""
    names = ("member", "sha256", "kind", "outcome", "records", "warnings", "reason")
    return {"path": str(path)} | {name: outcome[name] for name in names}


def _rows(results: list[Any]) -> Iterator[list[Any]]:
    for result in results:
        said = result.outcome
        why = said["reason"] or "; ".join(said["warnings"])
        yield [result.path, said["member"], said["kind"], said["outcome"], said["records"], why]
