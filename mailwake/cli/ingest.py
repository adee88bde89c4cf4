"""`mailwake ingest` and `mailwake inspect`: documents from files and folders, and what a file would become."""

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
    """Append documents (reports, mails, archives of them), process them, and say what each became.

    Exit code 1 when a document was rejected; it is kept all the same.
    """
    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.output import print_json, print_table
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
                print_json(_line(result.path, result.outcome))
    if not as_json:
        print_table(
            None, ("path", "member", "kind", "outcome", "records", "reason or warnings"), _rows(results)
        )
    if any(result.outcome["outcome"] == "rejected" for result in results):
        raise typer.Exit(NOT_SO)


def inspect(
    paths: Paths,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON line per document found, events included.")
    ] = False,
) -> None:
    """What files would become: their events, warnings, reasons. Appends nothing."""
    from mailwake.cli.output import plain, print_json, print_line, print_table
    from mailwake.cli.progress import waiting
    from processors.documents.inspect import inspect as inspect_document
    from sources.files import files_under, name_of, read_document

    for path in files_under(paths):
        with waiting(f"inspecting {path.name}", as_json=as_json):
            inspection = inspect_document(read_document(path), name_of(path))
        for found in _inspected(inspection):
            if as_json:
                print_json(_line(path, found) | {"events": found["events"]})
                continue
            reason = found["reason"] or "; ".join(found["warnings"])
            head = [
                path,
                found["member"] or "",
                found["kind"],
                found["outcome"],
                f"{found['records']} records",
                reason,
            ]
            print_line(plain("  ".join(str(part) for part in head if part)))
            rows = [e["fields"] for e in found["events"] if e["type"] == "DmarcRecordReported"]
            if rows:
                names = ("source_ip", "count", "disposition", "dkim", "spf", "header_from", "envelope_from")
                print_table(None, names, [[row[name] for name in names] for row in rows])


def _inspected(inspection: Any) -> Iterator[dict[str, Any]]:
    for found in inspection.documents:
        events = [
            {"type": type(event).__name__, "fields": event.model_dump(mode="json")} for event in found.events
        ]
        yield found.outcome.model_dump(mode="json") | {"events": events}


def _line(path: Path, outcome: Mapping[str, Any]) -> dict[str, Any]:
    names = ("member", "sha256", "kind", "outcome", "records", "warnings", "reason")
    return {"path": str(path)} | {name: outcome[name] for name in names}


def _rows(results: list[Any]) -> Iterator[list[Any]]:
    for result in results:
        said = result.outcome
        why = said["reason"] or "; ".join(said["warnings"])
        yield [result.path, said["member"], said["kind"], said["outcome"], said["records"], why]
