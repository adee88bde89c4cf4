"""`mailwake keyring`: the keys that recipients are hashed and documents are sealed with."""

import base64
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Tenants' keys, apart from the log: make the keyring, list, let a tenant come back.",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Tenant = Annotated[str, typer.Argument(help="The tenant.")]


@app.command()
def init(
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also for a log that was hashed and sealed with another keyring, which is lost: nothing of that can be "
            "read any more, and who was suppressed is not known by address.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the keyring, once for all processes on one log; one that is there stays as it is.

    Beside a log in SQLite it is made by whoever needs it first. On Kafka every process must be given the same one.
    """
    from mailwake.cli.output import print_json, print_line
    from mailwake.keyring.opening import existing_keyring, keyring_name, open_keyring
    from mailwake.settings import load_settings

    settings = load_settings()
    made = existing_keyring(settings) is None
    keyring = open_keyring(settings, create=True, insist=force)
    tenants = list(keyring.tenants())
    name = keyring_name(settings)
    if as_json:
        print_json({"keyring": name, "id": keyring.identity(), "tenants": tenants, "made": made})
    elif made:
        print_line(
            f"made the keyring {name}: keep a copy of it, apart from the log's backups; without it sealed documents can't be "
            "read, and no recipient can be found by address"
        )
    else:
        print_line(
            f"the keyring {name} was there already, and is as it was: {len(tenants)} tenants have keys"
        )


@app.command("list")
def list_tenants(as_json: AsJson = False) -> None:
    """The tenants that have keys, and those that were forgotten."""
    from mailwake.cli.output import print_json, print_table
    from mailwake.keyring.opening import open_keyring
    from mailwake.settings import load_settings

    keyring = open_keyring(load_settings())
    held, forgotten = list(keyring.tenants()), list(keyring.forgotten())
    if as_json:
        about = {"id": keyring.identity(), "erasures": len(keyring.erasures())}
        print_json({"tenants": held, "forgotten": forgotten, **about})
    else:
        rows = [(tenant, "has keys") for tenant in held] + [(tenant, "forgotten") for tenant in forgotten]
        print_table(None, ("tenant", "keys"), rows)


@app.command()
def readmit(tenant: Tenant) -> None:
    """Give a forgotten tenant new keys, so that something is taken for it again; what was forgotten stays so."""
    from mailwake.cli.output import print_line
    from mailwake.keyring.opening import open_keyring
    from mailwake.settings import load_settings

    open_keyring(load_settings()).readmit(tenant)
    print_line(f"tenant {tenant} has new keys: from now on its recipients have other hashes")


@app.command("hashing-key")
def hashing_key(tenant: Tenant) -> None:
    """Print the key that a tenant's recipients are hashed with, in base64, for a producer that hashes them itself.

    Keep it secret: whoever has it can try addresses against hashes.
    """
    from mailwake.cli.failures import CommandFailed
    from mailwake.cli.output import print_line
    from mailwake.keyring.opening import open_keyring
    from mailwake.settings import load_settings

    key = open_keyring(load_settings()).hashing_key(tenant)
    if key is None:
        raise CommandFailed(
            f"tenant {tenant} was forgotten: mailwake keyring readmit {tenant} gives it new keys"
        )
    print_line(base64.b64encode(key).decode())
