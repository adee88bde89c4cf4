"""`mailwake privacy`: what is known of a recipient, taking one out, forgetting a tenant."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mailwake.privacy.erasure import Erased
    from mailwake.privacy.holdings import Holdings
    from mailwake.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Personal data: what is known of a recipient, erasing one, forgetting a tenant.",
)

Address = Annotated[str, typer.Argument(help="The recipient's address.")]
Tenant = Annotated[str | None, typer.Option(help="Whose recipient; MAILWAKE_TENANT's unless given.")]
EveryTenant = Annotated[bool, typer.Option("--all-tenants", help="Of every tenant that the keyring knows.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def export(
    address: Address,
    tenant: Tenant = None,
    all_tenants: EveryTenant = False,
    contents: Annotated[
        bool, typer.Option("--contents", help="The documents' content too, in base64: it may tell of others.")
    ] = False,
) -> None:
    """Everything that is known of a recipient, as JSON lines.

    First its hash; then the events that know it by that, the documents and the dead letters that mention it.
    """
    from mailwake.cli.output import print_json
    from mailwake.cli.progress import progress
    from mailwake.privacy.export import export as told

    with (
        _holdings() as (settings, holdings),
        progress("looked through", at_first="reading", as_json=True) as advance,
    ):
        for one in _tenants(settings, holdings, tenant, all_tenants):
            for line in told(holdings, one, _address(address), contents=contents, advance=advance):
                print_json(line)


@app.command()
def erase(
    address: Address, tenant: Tenant = None, all_tenants: EveryTenant = False, as_json: AsJson = False
) -> None:
    """Take a recipient out of every document that mentions it, and out of dead letters, for good.

    Events keep the recipient's hash: a suppression goes on holding, counts stay. The erasure is kept in a journal beside
    the keyring and applied again after a restore. Cut off, do it again. Exit code 1 when the address is left somewhere, or
    may be.
    """
    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.progress import progress
    from mailwake.privacy.erasure import erase as taken_out
    from schemas.record import now_ms

    is_gone = True
    with _holdings() as (settings, holdings):
        for one in _tenants(settings, holdings, tenant, all_tenants):
            with (
                holdings.alone(_waits_for),
                progress("looked through", at_first="reading", as_json=as_json) as advance,
            ):
                done = taken_out(holdings, one, _address(address), now_ms(), advance)
            is_gone &= _say(done, {"tenant": one}, f"erased from what is kept for tenant {one}", as_json)
    if not is_gone:
        raise typer.Exit(NOT_SO)


@app.command("forget-tenant")
def forget_tenant(
    tenant: Annotated[str, typer.Argument(help="The tenant to forget.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a tenant's keys: nobody reads its documents again, and its hashes belong to nobody. It can't be undone.

    Its events, suppressions and statistics stay, as counts. Nothing more is taken for it until mailwake keyring readmit.
    """
    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.progress import progress
    from mailwake.privacy.erasure import forget
    from mailwake.privacy.holdings import check_known
    from schemas.record import now_ms

    if not yes and sys.stdin.isatty():
        typer.confirm(f"Forget tenant {tenant} for good?", abort=True)
    with _holdings() as (_, holdings):
        check_known(holdings.keyring, tenant)
        with (
            holdings.alone(_waits_for),
            progress("looked through", at_first="reading", as_json=as_json) as advance,
        ):
            done = forget(holdings, tenant, now_ms(), advance)
        if not _say(done, {"tenant": tenant}, f"tenant {tenant} is forgotten", as_json):
            raise typer.Exit(NOT_SO)


def _waits_for(process: int | None) -> None:
    from mailwake.cli.output import complain

    complain(f"waiting for another erasure on this log to end (process {process})")


def _say(done: "Erased", what: dict[str, str], first: str, as_json: bool) -> bool:
    """Says what was done; whether nothing is known to be left but what Kafka removes in time."""
    from mailwake.cli.output import complain, print_json, print_line

    if as_json:
        print_json({**what, **done.as_fields()})
    else:
        print_line(
            f"{first}: {len(done.documents)} documents replaced ({len(done.emptied)} of them emptied), "
            f"{done.dead_letters} dead letters masked, {len(done.masked)} records masked that nobody could understand"
        )
    if done.waiting:
        complain(
            f"{len(done.waiting)} records stay in Kafka until it compacts their segments, or retention removes them "
            f"(docs/privacy.md says how soon): {_some(done.waiting)}"
        )
    if done.unsearched:
        complain(
            f"{len(done.unsearched)} hold more than is looked through, and the address may be in there: "
            f"{_some(done.unsearched)}"
        )
    if done.in_clear:
        where = ", ".join(f"{count:,} of {topic}" for topic, count in done.in_clear.items())
        complain(
            f"NOT ERASED: events hold the address in clear: {where}. It was written where no address is looked for; "
            "they stay as they are, in the warehouse too, until retention removes them (docs/privacy.md, Erase)"
        )
    if not done.settled:
        complain(
            "a reader of an older state kept the write-ahead log from being emptied: what was erased is still in that "
            "file. Do it again; if it stays so, stop what reads the log"
        )
    return done.settled and not (done.unsearched or done.in_clear)


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _address(text: str) -> str:
    from mailwake.cli.failures import USAGE, CommandFailed
    from schemas.mailbox import mailbox
    from schemas.recipient import InvalidAddress

    try:
        return mailbox(text)
    except InvalidAddress as error:
        raise CommandFailed(f"{text[:80]!r} is no address: {error}", USAGE) from None


def _tenants(settings: "Settings", holdings: "Holdings", tenant: str | None, every: bool) -> list[str]:
    from mailwake.privacy.holdings import check_known

    if every:
        return list(holdings.keyring.tenants())
    if tenant is not None:
        check_known(holdings.keyring, tenant)
    return [tenant or settings.tenant]


@contextmanager
def _holdings() -> "Iterator[tuple[Settings, Holdings]]":
    from mailwake.keyring.opening import open_keyring
    from mailwake.opening import existing_any_log
    from mailwake.privacy.holdings import Holdings
    from mailwake.registry import use_registry
    from mailwake.settings import load_settings
    from streams.blobs import Blobs

    settings = load_settings()
    use_registry(settings)
    log = existing_any_log(settings)
    try:
        yield settings, Holdings(log, Blobs(settings.blobs), open_keyring(settings, log))
    finally:
        log.close()
