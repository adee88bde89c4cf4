from pathlib import Path

import pytest

from streams.keyring.address import KeyringAddress, VaultPlace


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("file:///mailwake.keys", KeyringAddress(Path("mailwake.keys"))),
        ("file:////etc/mailwake/keys", KeyringAddress(Path("/etc/mailwake/keys"))),
        ("file:///a%20b", KeyringAddress(Path("a b"))),
        ("vault://bao:8200/secret/mailwake", KeyringAddress(vault=VaultPlace("http://bao:8200", "secret", "mailwake"))),
        ("vaults://bao/kv/a/b/", KeyringAddress(vault=VaultPlace("https://bao", "kv", "a/b"))),
    ],
)  # fmt: skip
def test_a_keyring_is_a_file_or_a_path_on_a_server(url: str, address: KeyringAddress) -> None:
    assert KeyringAddress.of(url) == address


@pytest.mark.parametrize(
    "url",
    ["", "mailwake.keys", "file://", "file:///", "file://host/x", "vault://bao", "vault://bao/secret", "vault:///secret/x",
     "vault://token@bao/secret/x", "vault://u:p@bao/secret/x", "vault://bao/secret/x?token=y", "https://bao/secret/x"],
)  # fmt: skip
def test_what_is_none_is_told_what_is_wanted(url: str) -> None:
    with pytest.raises(ValueError, match="file:///RELATIVE/PATH"):
        KeyringAddress.of(url)
