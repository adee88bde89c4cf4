import itertools
import json
import urllib.request
from pathlib import Path

import pytest
from bao_server import TOKEN
from keyring_conformance import KeyringConformance

from streams.keyring import vault_keyring
from streams.keyring.address import VaultPlace
from streams.keyring.keyring import KeyringError, KeyringUnavailable
from streams.keyring.vault_keyring import VaultAccess, VaultKeyring
from streams.log import LogUnavailable

_numbers = itertools.count()


@pytest.fixture
def place(openbao: str) -> VaultPlace:
    return VaultPlace(f"http://{openbao}", "secret", f"mailwake/keys{next(_numbers)}")


@pytest.fixture
def keyring(place: VaultPlace) -> VaultKeyring:
    return VaultKeyring.open(place, VaultAccess(TOKEN))


class TestVaultKeyring(KeyringConformance):
    @pytest.fixture(autouse=True)
    def fresh(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vault_keyring, "FRESH_S", 0.0)

    @pytest.fixture
    def other(self, place: VaultPlace) -> VaultKeyring:
        return VaultKeyring.open(place, VaultAccess(TOKEN))

    def later(self) -> None:
        """It asks each time."""


def test_a_key_is_not_asked_for_again_at_once(keyring: VaultKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    key = keyring.hashing_key("acme")

    def nobody(*_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(keyring, "_ask", nobody)
    assert keyring.hashing_key("acme") == key


def test_what_was_forgotten_is_destroyed_in_every_version(keyring: VaultKeyring, place: VaultPlace) -> None:
    keyring.hashing_key("acme")
    keyring.forget("acme")
    keyring.readmit("acme")
    keyring.forget("acme")
    url = f"{place.url}/v1/{place.mount}/metadata/{place.path}/tenants/acme"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"X-Vault-Token": TOKEN})) as answer:
        versions = json.load(answer)["data"]["versions"]
    destroyed = {int(number): version["destroyed"] for number, version in versions.items()}
    assert destroyed == {1: True, 2: True, 3: True, 4: False}


def test_a_server_that_is_away_is_waited_for() -> None:
    place = VaultPlace("http://127.0.0.1:9", "secret", "mailwake/keys")
    with pytest.raises(KeyringUnavailable, match="does not answer") as raised:
        VaultKeyring.open(place, VaultAccess(TOKEN, timeout_s=1))
    assert isinstance(raised.value, LogUnavailable)


def test_a_sealed_server_is_waited_for(monkeypatch: pytest.MonkeyPatch, keyring: VaultKeyring) -> None:
    from hvac.exceptions import VaultDown

    def sealed(*_: object, **__: object) -> None:
        raise VaultDown("Vault is sealed")

    monkeypatch.setattr("hvac.api.secrets_engines.kv_v2.KvV2.read_secret_version", sealed)
    with pytest.raises(KeyringUnavailable, match="Vault is sealed"):
        keyring.hashing_key("acme")


def test_a_token_that_it_does_not_know_is_refused(place: VaultPlace) -> None:
    with pytest.raises(KeyringError, match="does not let us in") as raised:
        VaultKeyring.open(place, VaultAccess("another"))
    assert not isinstance(raised.value, KeyringUnavailable) and "another" not in str(raised.value)


def test_a_token_that_was_replaced_in_its_file_is_read_again(place: VaultPlace, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    keyring = VaultKeyring.open(place, VaultAccess(token_file=file))
    keyring._connected().token = "expired"
    assert keyring.hashing_key("acme")


def test_a_token_file_that_is_missing_is_named(place: VaultPlace, tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match=r"MAILWAKE_KEYRING_TOKEN_FILE.*nowhere"):
        VaultKeyring.open(place, VaultAccess(token_file=tmp_path / "nowhere"))


def test_what_is_no_key_value_engine_is_refused(openbao: str) -> None:
    keyring = VaultKeyring(VaultPlace(f"http://{openbao}", "nothing", "here"), VaultAccess(TOKEN))
    with pytest.raises(KeyringError, match="KV version 2"):
        keyring.hashing_key("acme")


def test_an_access_shows_no_token() -> None:
    assert TOKEN not in repr(VaultAccess(TOKEN))
