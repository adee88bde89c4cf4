"""`mailwake schemas`: list, show, check, register and write the Avro schemas."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The Avro schemas: list, show, check, register, generate.")

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
def register(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be registered, and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put every version of every schema into the schema registry that MAILWAKE_SCHEMA_REGISTRY names.

    Each subject is told to demand FULL_TRANSITIVE compatibility. What is there already stays as it is.
    """
    from dataclasses import asdict

    from mailwake.cli.failures import NOT_SO, CommandFailed
    from mailwake.cli.output import print_json, print_line, print_table
    from mailwake.registry import registry_of
    from mailwake.settings import SettingsError, load_settings
    from streams.registry.ids import register_all

    registry = registry_of(load_settings())
    if registry is None:
        raise SettingsError(
            "there is no schema registry to register in: set MAILWAKE_SCHEMA_REGISTRY=http://HOST:8081"
        )
    done = list(register_all(registry, dry_run))
    refused = [f"{one.subject} version {one.version}: {'; '.join(one.why)}" for one in done if one.why]
    if as_json:
        for one in done:
            print_json(asdict(one))
        raise typer.Exit(NOT_SO if refused else 0)
    rows = [
        (one.subject, str(one.version), "" if one.id is None else str(one.id), one.outcome) for one in done
    ]
    print_table(None, ("subject", "version", "id", "would be" if dry_run else "is"), rows)
    if refused:
        raise CommandFailed("the schema registry refuses these as incompatible:\n" + "\n".join(refused))
    new = sum(one.outcome == "new" for one in done)
    print_line(f"{new} {'to register' if dry_run else 'registered'}, {len(done) - new} there already")


@app.command()
def generate() -> None:
    """Write the schema files from the models (for those who change mailwake itself)."""
    from schemas.generate import main

    raise typer.Exit(main())
