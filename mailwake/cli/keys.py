"""`mailwake keys`: API keys for the HTTP intake and its answers."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="API keys: who may emit, ingest and read over HTTP.")

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for: a name to know it by.")],
    scopes: Annotated[
        str,
        typer.Option(
            "--scopes",
            help="What it may do, separated by commas: emit (events), ingest (documents), read (answers).",
        ),
    ] = "emit",
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose events it brings; MAILWAKE_TENANT unless given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. It is shown this once: MAILWAKE_KEYS keeps only its hash."""
    from mailwake.cli.output import note, print_json, print_line
    from mailwake.settings import load_settings
    from sources.intake.keys import KeyFile

    settings = load_settings()
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    key, token = KeyFile(settings.keys).create(name, tenant or settings.tenant, wanted)
    if as_json:
        print_json({"id": key.id, "name": key.name, "tenant": key.tenant, "scopes": key.scopes, "key": token})
        return
    print_line(token)
    note(f"it may {', '.join(key.scopes)} as {key.tenant}. Send it as Authorization: Bearer mwk_...")


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """The keys there are, revoked ones too; never the keys themselves."""
    from mailwake.cli.output import print_json, print_table
    from mailwake.settings import load_settings
    from sources.intake.keys import KeyFile

    keys = KeyFile(load_settings().keys).keys().values()
    names = ("id", "name", "tenant", "scopes", "created", "revoked")
    if as_json:
        for key in keys:
            print_json({name: getattr(key, name) for name in names})
        return
    print_table(
        None,
        names,
        [
            (key.id, key.name, key.tenant, ", ".join(key.scopes), key.created, key.revoked or "")
            for key in keys
        ],
    )


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, or its name where no other key has it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a key; a running intake knows within a second."""
    from mailwake.cli.output import print_json, print_line
    from mailwake.settings import load_settings
    from sources.intake.keys import KeyFile

    revoked = KeyFile(load_settings().keys).revoke(key)
    if as_json:
        print_json({"id": revoked.id, "name": revoked.name, "revoked": revoked.revoked})
    else:
        print_line(f"{revoked.id} ({revoked.name}) is revoked")
