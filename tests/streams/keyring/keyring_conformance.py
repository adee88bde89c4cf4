"""What every keyring must pass: subclass `KeyringConformance` and give it two views of one keyring."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from streams.keyring.keyring import Erasure, Keyring, KeyringError, TenantForgotten, writing_keys


class KeyringConformance:
    """`keyring` and `other` are the same keyring as two processes have it open; `later` makes `other` look again."""

    def later(self) -> None:
        raise NotImplementedError

    def test_a_tenant_gets_keys_when_it_is_first_asked_for_and_keeps_them(
        self, keyring: Keyring, other: Keyring
    ) -> None:
        hashing, data = keyring.hashing_key("acme"), keyring.data_key("acme")
        assert hashing and data and len(hashing) == len(data) == 32 and hashing != data
        self.later()
        assert (other.hashing_key("acme"), other.data_key("acme")) == (hashing, data)
        assert (keyring.hashing_key("acme"), keyring.data_key("acme")) == (hashing, data)

    def test_it_keeps_its_identity(self, keyring: Keyring, other: Keyring) -> None:
        identity = keyring.identity()
        assert identity and len(identity) == 32
        keyring.hashing_key("acme")
        keyring.forget("acme")
        self.later()
        assert other.identity(create=False) == keyring.identity() == identity

    def test_tenants_have_keys_of_their_own(self, keyring: Keyring) -> None:
        assert keyring.hashing_key("a") != keyring.hashing_key("b")
        assert keyring.data_key("a") != keyring.data_key("b")
        assert list(keyring.tenants()) == ["a", "b"]

    @pytest.mark.parametrize("tenant", ["a.b", "~", "%2E", "../x", "Ümläut tenant", "x" * 200, "a%b~c", ".."])
    def test_any_name_is_a_name(self, keyring: Keyring, other: Keyring, tenant: str) -> None:
        key = keyring.hashing_key(tenant)
        self.later()
        assert other.hashing_key(tenant) == key and list(other.tenants()) == [tenant]
        assert keyring.forget(tenant) and list(keyring.forgotten()) == [tenant]

    def test_a_forgotten_tenant_has_no_keys_wherever_it_is_open(
        self, keyring: Keyring, other: Keyring
    ) -> None:
        keyring.hashing_key("acme"), other.hashing_key("acme")
        assert keyring.forget("acme") is True
        self.later()
        for one in (keyring, other):
            assert one.hashing_key("acme") is None and one.data_key("acme") is None
            assert list(one.tenants()) == [] and list(one.forgotten()) == ["acme"]
            with pytest.raises(TenantForgotten, match="acme was forgotten"):
                writing_keys(one, "acme")

    def test_forgetting_again_changes_nothing(self, keyring: Keyring) -> None:
        keyring.forget("acme")
        assert keyring.forget("acme") is False and list(keyring.forgotten()) == ["acme"]

    def test_a_tenant_that_never_had_keys_can_be_forgotten(self, keyring: Keyring) -> None:
        assert keyring.forget("never") is True and keyring.hashing_key("never") is None

    def test_a_forgotten_tenant_that_comes_back_has_other_keys(
        self, keyring: Keyring, other: Keyring
    ) -> None:
        before = keyring.hashing_key("acme")
        keyring.forget("acme")
        keyring.readmit("acme")
        self.later()
        assert keyring.hashing_key("acme") not in (None, before)
        assert other.hashing_key("acme") == keyring.hashing_key("acme")

    def test_only_what_was_forgotten_comes_back(self, keyring: Keyring) -> None:
        key = keyring.hashing_key("acme")
        with pytest.raises(KeyringError, match="was not forgotten"):
            keyring.readmit("acme")
        assert keyring.hashing_key("acme") == key

    def test_all_who_ask_at_once_get_the_same_keys(self, keyring: Keyring, other: Keyring) -> None:
        with ThreadPoolExecutor(8) as threads:
            keys = set(threads.map(lambda one: one.hashing_key("acme"), [keyring, other] * 8))
        assert len(keys) == 1 and keys != {None}

    def test_erasures_are_kept_once_and_in_order(self, keyring: Keyring, other: Keyring) -> None:
        erasures = [Erasure("acme", f"{n:032x}", f"sealed{n}", 100 + n) for n in range(3)]
        for erasure in (*erasures, Erasure("acme", f"{1:032x}", "sealed again", 900)):
            keyring.record(erasure)
        keyring.record(Erasure("bcme", f"{1:032x}", "sealed", 950))
        assert list(other.erasures()) == [*erasures, Erasure("bcme", f"{1:032x}", "sealed", 950)]

    def test_no_erasures_are_none(self, keyring: Keyring) -> None:
        assert list(keyring.erasures()) == []
