"""`mailwake schemas`: list, show, check and write the Avro schemas."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The Avro schemas: list, show, check, generate.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


@app.command("list")
def list_schemas(as_json: AsJson = False) -> None:
    """Every record type with its topic, version and wire id."""
    from mailwake.cli.output import print_json, print_table
    from schemas.catalog import TOPIC_OF, versions

    rows = [(v.record.__name__, TOPIC_OF[v.record], v.number, v.id) for v in versions().values()]
    if as_json:
        for row in rows:
            print_json(dict(zip(("record", "topic", "version", "id"), row, strict=True)))
    else:
        print_table(None, ("record", "topic", "version", "id"), [(*row[:3], str(row[3])) for row in rows])


@app.command()
def show(record: Annotated[str, typer.Argument(help="A record's name, e.g. MessageSent.")]) -> None:
    """The Avro schema of a record, as producers in any language use it."""
    import json

    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.cli.output import print_line
    from schemas.catalog import RECORDS, latest

    if record not in RECORDS:
        raise CommandFailed(f"no record {record}; there are {', '.join(RECORDS)}", USAGE)
    print_line(json.dumps(latest(RECORDS[record]).schema, indent=1, ensure_ascii=False))


@app.command()
def check(as_json: AsJson = False) -> None:
    """Whether the committed schemas are what the models say, and every version is compatible with all others."""
    from mailwake.cli.failures import NOT_SO, CommandFailed
    from mailwake.cli.output import print_json, print_line
    from mailwake.cli.progress import waiting
    from schemas.catalog import versions
    from schemas.generate import differences

    with waiting("comparing", as_json=as_json):
        found = differences()
    if as_json:
        print_json({"versions": len(versions()), "differences": found})
        raise typer.Exit(NOT_SO if found else 0)
    if found:
        raise CommandFailed("\n".join((*found, "to write them: .venv/bin/python -m schemas.generate")))
    print_line(f"{len(versions())} schema versions: as the models say, FULL_TRANSITIVE compatible")


@app.command()
def generate() -> None:
    """Write the schema files from the models (for those who change mailwake itself)."""
    from schemas.generate import main

    raise typer.Exit(main())
