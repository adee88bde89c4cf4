"""Hooks as they are configured, and the ones that nobody signs."""

from pathlib import Path
from typing import Any

import pytest
from signing import BODY, TOKEN, b64, basic, hook_of, refused, request

from sources.hooks.configured import IN_FILE, PROVIDERS, InvalidHook, WrongSetting, hooks_from
from sources.hooks.signature import Verified
from sources.hooks.verifiers import verifier_of


def test_hooks_of_a_file(tmp_path: Path) -> None:
    key = tmp_path / "sendgrid.pub"
    key.write_text("MFkw\n")
    tables = {
        "marketing": {"provider": "sendgrid", "token": "env:HOOK", "tenant": "acme", "keys": f"file:{key}"},
        "shop": {"provider": "ses", "token": TOKEN, "topic_arns": ["arn:aws:sns:eu-west-1:1:mail"], "header": "X-Secret",
                 "header_value": "env:SECRET", "tolerance_seconds": 60, "from_domain": "B\u00fccher.example."},
        "brevo": {"provider": "brevo", "token": TOKEN, "networks": ["1.179.112.0/20", "2001:db8::/32"], "basic": "u:p:w"},
    }  # fmt: skip
    marketing, shop, brevo = hooks_from(tables, {"HOOK": "from-the-environment", "SECRET": "hush"})
    assert (marketing.token, marketing.tenant, marketing.keys) == ("from-the-environment", "acme", ("MFkw",))
    assert (shop.header, shop.header_value, shop.tolerance_seconds) == ("x-secret", "hush", 60)
    assert (marketing.from_domain, shop.from_domain) == (None, "xn--bcher-kva.example")
    assert [str(network) for network in brevo.networks] == ["1.179.112.0/20", "2001:db8::/32"]
    for secret in ("from-the-environment", "MFkw", "hush", TOKEN, "p:w"):
        assert secret not in repr((marketing, shop, brevo))


GOOD = {"provider": "postmark", "token": TOKEN, "basic": "user:pw"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"provider": "pigeon"}, "provider 'pigeon' is none of ses, sendgrid"),
        ({"provider": None}, "provider wants str"),
        ({"colour": "red"}, "colour is no setting; there are basic"),
        ({"name": "x"}, "name is no setting"),
        ({"token": "short"}, "token wants at least 16 characters"),
        ({"token": "with/slashes/in/it/all"}, "token wants at least 16 characters of"),
        ({"token": "env:NOWHERE"}, "token is empty (env:NOWHERE)"),
        ({"token": "file:/nowhere/at/all"}, "token can't be read from /nowhere/at/all"),
        ({"from_domain": "someone@shop.example"}, "from_domain 'someone@shop.example' is no domain"),
        ({"basic": "user"}, "basic wants user:password"),
        ({"header": "x-secret"}, "header and header_value go together"),
        ({"header": "x secret", "header_value": "x"}, "is no header's name"),
        ({"networks": ["everywhere"]}, "networks wants networks such as"),
        ({"networks": "10.0.0.1/8"}, "networks wants networks such as"),
        ({"tolerance_seconds": 0}, "tolerance_seconds wants at least 1"),
        ({"tolerance_seconds": "60"}, "tolerance_seconds wants int"),
        ({"unsigned": "yes"}, "unsigned wants bool"),
        ({"keys": ["x"]}, "postmark signs with no key"),
        ({"keys": [5]}, "keys wants str"),
        ({"topic_arns": ["x"]}, "topic_arns is for ses"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidHook, match=r"^hook shop: ") as caught:
        hooks_from({"shop": {**GOOD, **change}}, {})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"provider": "mailgun", "basic": "u:p"}, "--key is missing: mailgun signs what it posts (or say --unsigned"),
        ({"basic": "{keys}"}, "--basic wants user:password"),
        ({"header": "x-{basic}"}, "--header and --header-value go together"),
        ({"keys": ["x"]}, "postmark signs with no key that could be given here: use --basic, or --header and --header-value"),
        ({"basic": "file:/nowhere/{at}/all"}, "--basic can't be read from /nowhere/{at}/all"),
        ({"from_domain": "https://x"}, "--from-domain 'https://x' is no domain"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_the_words_of_whoever_made_it(change: dict[str, Any], says: str) -> None:
    options = {name: f"--{name.replace('_', '-')}" for name in IN_FILE} | {"keys": "--key"}
    with pytest.raises(WrongSetting) as caught:
        hooks_from({"shop": {**GOOD, **change}}, {})
    assert caught.value.said(options).startswith(f"hook shop: {says}")
    assert not any(option in str(caught.value) for option in options.values())


def test_other_mistakes() -> None:
    for tables, says in (
        ({"shop": 5}, "wants a table"),
        ({"shop": {"provider": "ses"}}, "token is missing"),
        ({"one": GOOD, "two": GOOD}, "hook two: token is that of hook one"),
    ):
        with pytest.raises(InvalidHook) as caught:
            hooks_from(tables, {})
        assert says in str(caught.value)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_hook_that_proves_nothing_is_refused_unless_it_is_said(provider: str) -> None:
    if provider != "ses":
        with pytest.raises(InvalidHook, match="unsigned = true"):
            hook_of(provider)
    one = verifier_of(hook_of(provider, unsigned=True))
    assert one.verify(request(b"{}")).channel == ("sns" if provider == "ses" else "hook")


@pytest.mark.parametrize("provider", ["postmark", "sparkpost", "mailjet", "brevo"])
def test_a_password_in_the_url(provider: str) -> None:
    one = verifier_of(hook_of(provider, basic="user:pass:wörd"))
    assert one.verify(request(BODY, basic("user:pass:wörd"))) == Verified()
    refused(one, request(BODY, basic("user:pass")), "mismatch")
    refused(one, request(BODY, basic("")), "mismatch")
    refused(one, request(BODY), "missing")
    refused(one, request(BODY, {"authorization": "Bearer x"}), "missing")
    refused(one, request(BODY, {"authorization": "Basic ?"}), "malformed")
    refused(one, request(BODY, {"authorization": f"Basic {b64(b'x')} y"}), "malformed")


@pytest.mark.parametrize(
    ("header", "value"), [("Authorization", "Bearer 1234"), ("X-Brevo-Secret", "s\u00e9same")]
)
def test_a_header(header: str, value: str) -> None:
    one = verifier_of(hook_of("brevo", header=header, header_value=value))
    assert one.verify(request(BODY, {header.lower(): value})) == Verified()
    refused(one, request(BODY, {header.lower(): value + " "}), "mismatch")
    refused(one, request(BODY), "missing")


def test_networks() -> None:
    one = verifier_of(hook_of("brevo", networks=["1.179.112.0/20", "2001:db8::/32"], unsigned=True))
    for peer in ("1.179.112.9", "2001:db8::1", "::ffff:1.179.112.9"):
        assert one.verify(request(BODY, peer=peer)) == Verified()
    for stranger in ("8.8.8.8", "2001:db9::1", "::ffff:8.8.8.8", "", None, "unix"):
        refused(one, request(BODY, peer=stranger), "network")
