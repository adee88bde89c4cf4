"""`mailwake hooks`: who may post webhooks here, and the URLs to give to providers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mailwake.settings import Settings
    from sources.hooks.configured import Hook

app = typer.Typer(
    no_args_is_help=True, help="Webhooks: who may post here, and the URLs to give to providers."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_OPTIONS = {
    "keys": "--key", "basic": "--basic", "header": "--header", "header_value": "--header-value", "token": "token",
    "from_domain": "--from-domain", "unsigned": "--unsigned",
}  # fmt: skip
"""What the settings that messages are about are called here."""


@app.command()
def add(
    provider: Annotated[
        str,
        typer.Argument(
            help="ses, sendgrid, mailgun, postmark, sparkpost, mailjet, brevo, resend, mandrill, mailersend, mailtrap, postal."
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="To know it by; the provider's unless given.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose events it brings; MAILWAKE_TENANT unless given.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            help="What it signs with: env:NAME or file:PATH, read from there; - for a line of stdin. Several while it changes.",
        ),
    ] = None,
    basic: Annotated[
        str | None,
        typer.Option(
            "--basic", help="Its user:password for basic authentication: env:NAME, file:PATH, or -."
        ),
    ] = None,
    header: Annotated[
        str | None, typer.Option("--header", help="A header that it must bring, such as x-mailwake-secret.")
    ] = None,
    header_value: Annotated[
        str | None, typer.Option("--header-value", help="That header's value: env:NAME, file:PATH, or -.")
    ] = None,
    from_domain: Annotated[
        str | None, typer.Option("--from-domain", help="The From domain of what names none.")
    ] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Believe whoever knows the URL, and ask for no more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a webhook to MAILWAKE_HOOKS and print the URL to paste at the provider; an intake that runs knows at once.

    The URL ends in a secret of its own. Secrets on the command line would be seen by others on this machine: name where
    they are.
    """
    from urllib.parse import urlsplit

    from mailwake.cli.output import complain, print_json, print_line
    from mailwake.settings import load_settings
    from sources.hooks.configured import NAMES_NO_FROM, InvalidHook, WrongSetting
    from sources.intake.access import is_loopback
    from sources.intake.hook_editing import add_hook, not_set_here

    settings = load_settings()
    given: dict[str, str | bool | list[str]] = {
        "provider": provider,
        "tenant": tenant or settings.tenant,
        **({"keys": [_where("--key", one) for one in key]} if key else {}),
        **({"basic": _where("--basic", basic)} if basic else {}),
        **({"header": header} if header else {}),
        **({"header_value": _where("--header-value", header_value)} if header_value else {}),
        **({"from_domain": from_domain} if from_domain else {}),
        **({"unsigned": True} if unsigned else {}),
    }
    try:
        hook = add_hook(settings.hooks, name or provider, given)
    except WrongSetting as error:
        raise InvalidHook(error.said(_OPTIONS)) from None
    url = _url(settings, hook.provider, hook.token)
    if as_json:
        print_json({"name": hook.name, "provider": hook.provider, "tenant": hook.tenant, "url": url})
        return
    print_line(url)
    if provider in NAMES_NO_FROM and not (hook.from_domain or settings.from_domain):
        complain(
            f"{provider}'s events may name no From domain, and without one there is no reputation by domain: say it with "
            f"--from-domain, or as from_domain in {settings.hooks}"
        )
    for variable in not_set_here(hook):
        complain(f"{variable} is not set here, so it was not looked at: it must be set for the intake")
    host = urlsplit(url).hostname or ""
    if is_loopback(host) or host in ("0.0.0.0", "::"):
        whose = "this machine's own" if is_loopback(host) else "nobody's"
        complain(
            f"the provider must reach it, and this address is {whose}: MAILWAKE_INTAKE_URL says what the world calls this intake"
        )


@app.command("list")
def list_hooks(as_json: AsJson = False) -> None:
    """The webhooks there are: names, providers, what proves who posts, what is wrong. No secrets, no URLs.

    Variables that secrets are in are the intake's, and are not looked at unless they are set here too.
    """
    from mailwake.cli.output import print_json, print_table
    from mailwake.settings import load_settings
    from sources.intake.hook_editing import hooks_in, trouble_with

    columns = ("name", "provider", "tenant", "proof", "trouble")
    rows = [
        (hook.name, hook.provider, hook.tenant, ", ".join(_proofs(hook)), trouble_with(hook))
        for hook in hooks_in(load_settings().hooks)
    ]
    if as_json:
        for row in rows:
            print_json(dict(zip(columns, row, strict=True)))
        return
    print_table(None, columns, rows)


@app.command()
def url(name: Annotated[str, typer.Argument(help="The hook's name.")]) -> None:
    """Print a webhook's URL again. Its end is a secret."""
    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.cli.output import print_line
    from mailwake.settings import load_settings
    from sources.intake.hook_editing import hooks_in, token_of

    settings = load_settings()
    found = next((hook for hook in hooks_in(settings.hooks) if hook.name == name), None)
    token = token_of(settings.hooks, name)
    if found is None or token is None:
        raise CommandFailed(f"there is no hook {name} in {settings.hooks}: mailwake hooks list", USAGE)
    print_line(_url(settings, found.provider, token))


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The hook's name.")], as_json: AsJson = False) -> None:
    """Remove a webhook: its URL answers 404 within a second."""
    from mailwake.cli.output import print_json, print_line
    from mailwake.settings import load_settings
    from sources.intake.hook_editing import remove_hook

    remove_hook(load_settings().hooks, name)
    if as_json:
        print_json({"removed": name})
    else:
        print_line(f"{name} is removed")


def _url(settings: "Settings", provider: str, token: str) -> str:
    scheme = "https" if settings.intake_certificate_file else "http"
    host = settings.intake_host or "127.0.0.1"
    base = settings.intake_url or f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.intake_port}"
    return f"{base.rstrip('/')}/hooks/{provider}/{token}"


def _where(option: str, given: str) -> str:
    from mailwake.cli.failures import USAGE, CommandFailed

    if given == "-":
        return sys.stdin.readline().strip()
    kind, _, place = given.partition(":")
    if kind not in ("env", "file") or not place:
        raise CommandFailed(f"{option}: wants env:NAME, file:PATH, or - for a line of stdin", USAGE)
    return f"file:{Path(place).absolute()}" if kind == "file" else given


def _proofs(hook: "Hook") -> list[str]:
    proofs = ["SNS's certificate"] if hook.provider == "ses" else []
    proofs += ["signature"] if hook.keys else []
    proofs += ["basic"] if hook.basic is not None else []
    proofs += [f"header {hook.header}"] if hook.header is not None else []
    proofs += ["networks"] if hook.networks else []
    return proofs or ["its URL alone"]
