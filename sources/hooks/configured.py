"""The hooks that are configured: who may post here, and what proves that it is them.

    [marketing]                                   # a name for logs
    provider = "sendgrid"
    token = "env:SENDGRID_HOOK_TOKEN"             # the end of the URL: /hooks/sendgrid/<token>
    keys = ["file:/etc/mailwake/sendgrid.pub"]    # several while one is being changed for another

`token`, `keys`, `basic` and `header_value` are secrets: written out, as `env:NAME`, or as `file:PATH`.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, get_args

from schemas.mailbox import named_domain
from schemas.recipient import InvalidAddress

HookProvider = Literal[
    "ses", "sendgrid", "mailgun", "postmark", "sparkpost", "mailjet",
    "brevo", "resend", "mandrill", "mailersend", "mailtrap", "postal",
]  # fmt: skip
PROVIDERS: tuple[HookProvider, ...] = get_args(HookProvider)

KEYED = frozenset({"sendgrid", "mailgun", "resend", "mandrill", "mailersend", "mailtrap", "postal"})
"""Providers that sign with, or for, a key that must be known here. SNS brings a certificate; the others don't sign."""

NAMES_NO_FROM = frozenset({"sendgrid", "mailjet", "brevo"})
"""Providers whose events name no From domain by themselves, or not all of them."""

SECRETS = ("token", "keys", "basic", "header_value")
ELSEWHERE = ("env:", "file:")
"""What the place of a secret that is not written out begins with."""
IN_FILE: Mapping[str, str] = {
    "keys": "keys", "basic": "basic", "header": "header", "header_value": "header_value", "token": "token",
    "from_domain": "from_domain", "unsigned": "unsigned = true",
}  # fmt: skip
"""What the settings that messages are about are called where hooks are written by hand."""
LEAST_TOKEN = 16
"""Characters: what is guarded by its URL alone must not be guessed."""
_TOKEN = re.compile(r"[A-Za-z0-9._~-]+").fullmatch
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch


class InvalidHook(ValueError):
    """A configured hook that can't be: says which, which setting, and what it wants."""


class WrongSetting(InvalidHook):
    """What is wrong with a hook's settings, to be said in the words of whoever gave them: a file's, or a command's options."""

    def __init__(self, hook: str, problem: str, **told: object) -> None:
        """`problem` names settings as `{keys}`, as IN_FILE has them, and what `told` brings as `{provider}`."""
        self.hook, self.problem, self.told = hook, problem, told
        super().__init__(self.said(IN_FILE))

    def said(self, names: Mapping[str, str]) -> str:
        """The message, with these names for the settings."""
        return f"hook {self.hook}: {self.problem.format_map({**names, **self.told})}"


@dataclass(frozen=True, slots=True)
class Hook:
    """One configured hook. Every check that is configured must pass; its secrets are in no repr."""

    name: str
    provider: HookProvider
    token: str = field(repr=False)
    """The end of its URL. Guard it like a password: for providers that sign nothing it is half of one."""
    tenant: str = "default"
    """Whose events it brings."""
    from_domain: str | None = None
    """The From domain of events that name none, as SendGrid's do."""
    keys: tuple[str, ...] = field(default=(), repr=False)
    """What signatures are checked with, any of them: HMAC keys (Resend's as whsec_…), public keys (base64 or PEM)."""
    basic: str | None = field(default=None, repr=False)
    """`user:password` that HTTP basic authentication must bring."""
    header: str | None = None
    """A header that must be there, lower-case: authorization, x-mailwake-secret."""
    header_value: str | None = field(default=None, repr=False)
    """Its value, whole: `Bearer …` too."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where requests may come from; anywhere, unless given."""
    topic_arns: tuple[str, ...] = ()
    """SNS topics that are welcome; any, unless given."""
    url: str | None = None
    """The hook's public URL as the provider knows it, where the signature covers it (Mandrill)."""
    tolerance_seconds: int | None = None
    """How old, or how far ahead, a signature may be; unless given 300, for SNS 3600."""
    unsigned: bool = False
    """Believe whoever knows the URL. Only said on purpose: without it a hook that proves nothing is refused."""


def hooks_from(
    tables: Mapping[str, Any], environment: Mapping[str, str] | None = os.environ
) -> tuple[Hook, ...]:
    """The hooks in a parsed hooks.toml. Without an environment, secrets that are elsewhere stay the names of their places.

    Raises InvalidHook.
    """
    hooks = tuple(hook_from(name, table, environment) for name, table in tables.items())
    seen: dict[tuple[str, str], str] = {}
    for hook in hooks:
        other = seen.setdefault((hook.provider, hook.token), hook.name)
        if other != hook.name:
            raise InvalidHook(f"hook {hook.name}: token is that of hook {other}; give each its own")
    return hooks


def secret_files(tables: Mapping[str, Any]) -> tuple[Path, ...]:
    """The files that a parsed hooks.toml names for its secrets."""
    named = [
        text
        for table in tables.values()
        if isinstance(table, Mapping)
        for setting in SECRETS
        for text in _texts(table.get(setting))
    ]
    return tuple(
        dict.fromkeys(Path(text.removeprefix("file:")) for text in named if text.startswith("file:"))
    )


def _texts(value: object) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def hook_from(name: str, table: object, environment: Mapping[str, str] | None = os.environ) -> Hook:
    """One hook of a parsed hooks.toml, as `hooks_from` gives it. Raises InvalidHook."""
    if not isinstance(table, Mapping):
        raise InvalidHook(f"hook {name}: wants a table, as in [{name}]")
    known = {each.name: each for each in fields(Hook)}
    for setting in table:
        if setting not in known or setting == "name":
            raise InvalidHook(f"hook {name}: {setting} is no setting; there are {', '.join(sorted(known))}")
    given = {setting: _typed(name, setting, value, environment) for setting, value in table.items()}
    for required in ("provider", "token"):
        if required not in given:
            raise InvalidHook(f"hook {name}: {required} is missing")
    hook = Hook(name=name, **given)
    _check(hook, token_is_elsewhere=environment is None and hook.token.startswith(ELSEWHERE))
    return hook


def looked_up(hook: Hook, environment: Mapping[str, str]) -> Hook:
    """A hook whose secrets may be the names of their places, with those that are there.

    What is in a variable that is not set stays `env:NAME`: it may be set for the intake. Raises InvalidHook for a file that
    can't be read, and for what is no secret of its setting.
    """

    def there(setting: str, text: str) -> str:
        if text.startswith("env:") and not environment.get(text[4:]):
            return text
        return secret_of(hook.name, setting, text, environment)

    found = replace(
        hook,
        token=there("token", hook.token),
        keys=tuple(there("keys", key) for key in hook.keys),
        basic=hook.basic and there("basic", hook.basic),
        header_value=hook.header_value and there("header_value", hook.header_value),
    )
    _check(found, token_is_elsewhere=found.token.startswith(ELSEWHERE))
    return found


def _typed(name: str, setting: str, value: Any, environment: Mapping[str, str] | None) -> Any:
    if setting == "unsigned":
        return _of(bool, name, setting, value)
    if setting == "tolerance_seconds":
        return _of(int, name, setting, value)
    if setting in ("keys", "networks", "topic_arns"):
        texts = [_of(str, name, setting, each) for each in (value if isinstance(value, list) else [value])]
        if setting == "keys":
            return tuple(_secret(name, setting, each, environment) for each in texts)
        return tuple(_network(name, each) for each in texts) if setting == "networks" else tuple(texts)
    text: str = _of(str, name, setting, value)
    if setting in SECRETS:
        return _secret(name, setting, text, environment)
    if setting == "from_domain":
        return _domain(name, text)
    return text.lower() if setting == "header" else text


def _domain(name: str, text: str) -> str:
    try:
        return named_domain(text)
    except InvalidAddress as error:
        problem = "{from_domain} {given!r} is no domain: it wants {wanted}"
        raise WrongSetting(name, problem, given=text, wanted=error) from None


def _of(kind: type, name: str, setting: str, value: Any) -> Any:
    if type(value) is not kind or value == "":
        raise InvalidHook(f"hook {name}: {setting} wants {kind.__name__}, and something in it")
    return value


def _secret(name: str, setting: str, text: str, environment: Mapping[str, str] | None) -> str:
    return text if environment is None else secret_of(name, setting, text, environment)


def secret_of(name: str, setting: str, text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A secret from where `text` says it is: there, env:NAME, file:PATH. Raises InvalidHook where there is none."""
    kind, _, where = text.partition(":")
    secret = text
    if kind == "env":
        secret = environment.get(where, "")
    elif kind == "file":
        try:
            secret = Path(where).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            problem = f"{{{setting}}} can't be read from {{where}}: {{why}}"
            raise WrongSetting(name, problem, where=where, why=why) from None
    if not secret:
        raise WrongSetting(name, f"{{{setting}}} is empty ({{text}})", text=text or setting)
    return secret


def _network(name: str, text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise InvalidHook(f"hook {name}: networks wants networks such as 192.0.2.0/24: {error}") from None


def _check(hook: Hook, *, token_is_elsewhere: bool) -> None:
    def refuse(problem: str, **told: object) -> None:
        raise WrongSetting(hook.name, problem, **told)

    if hook.provider not in PROVIDERS:
        refuse(
            "provider {given!r} is none of {there_are}", given=hook.provider, there_are=", ".join(PROVIDERS)
        )
    if not token_is_elsewhere and (len(hook.token) < LEAST_TOKEN or not _TOKEN(hook.token)):
        refuse("{token} wants at least {least} characters of A-Z a-z 0-9 . _ ~ -", least=LEAST_TOKEN)
    if (hook.header is None) != (hook.header_value is None):
        refuse("{header} and {header_value} go together")
    if hook.header is not None and not _HEADER(hook.header):
        refuse("{header} {given!r} is no header's name", given=hook.header)
    if hook.basic is not None and ":" not in hook.basic:
        refuse("{basic} wants user:password")
    if hook.tolerance_seconds is not None and hook.tolerance_seconds < 1:
        refuse("tolerance_seconds wants at least 1")
    if hook.keys and hook.provider not in KEYED:
        refuse(
            "{provider} signs with no key that could be given here: use {basic}, or {header} and {header_value}",
            provider=hook.provider,
        )
    if hook.topic_arns and hook.provider != "ses":
        refuse("topic_arns is for ses")
    if hook.unsigned or hook.provider == "ses":
        return
    without = "(or say {unsigned}, and whoever knows the URL is believed)"
    if hook.provider in KEYED and not hook.keys:
        refuse("{keys} is missing: {provider} signs what it posts " + without, provider=hook.provider)
    if hook.provider not in KEYED and hook.basic is None and hook.header is None:
        refuse(
            "{provider} signs nothing: give {basic}, or {header} and {header_value} " + without,
            provider=hook.provider,
        )
