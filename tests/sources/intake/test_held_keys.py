"""Tenants' keys for the event loop: the keyring is asked beside it, seldom, and its failure told at once."""

import asyncio
import threading
import time
from pathlib import Path

import pytest
from houses import FixedKeys, house

from schemas.keyring import TenantKeys
from sources.intake import held_keys
from sources.intake.held_keys import HeldKeys
from streams.keyring.keyring import KeyringUnavailable


class Far(FixedKeys):
    """A keyring that tells which thread asks, and may be away."""

    def __init__(self, away: bool = False) -> None:
        self.away = away
        self.asked: list[int] = []

    def hashing_key(self, tenant: str) -> bytes | None:
        self.asked.append(threading.get_ident())
        time.sleep(0.02)
        if self.away:
            raise KeyringUnavailable("not now")
        return super().hashing_key(tenant)


def hashed(keys: TenantKeys | None) -> bytes | None:
    assert keys is not None
    return keys.hashing_key("default")


def test_the_keyring_is_asked_once_and_never_on_the_loop() -> None:
    far = Far()

    async def many() -> list[bytes | None]:
        held = HeldKeys(far)
        return list(await asyncio.gather(*(held.given(hashed, off_loop=at % 2 == 0) for at in range(8))))

    assert asyncio.run(many()) == [b"k" * 32] * 8
    assert len(far.asked) == 1 and far.asked[0] != threading.get_ident()


def test_a_key_is_asked_for_again_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_keys, "FRESH_S", 0.1)
    far = Far()

    async def later() -> None:
        held = HeldKeys(far)
        for _ in range(2):
            await held.given(hashed, off_loop=False)
            await asyncio.sleep(0.15)

    asyncio.run(later())
    assert len(far.asked) == 2


def test_a_keyring_that_is_away_is_told_of_at_once_and_only_where_it_is_wanted(tmp_path: Path) -> None:
    far = Far(away=True)
    with house(tmp_path, keyring=far, sealed=True) as here:
        without = {"type": "MessageSent", "from_domain": "sender.example"}
        for _ in range(3):
            assert here.post("/v1/events", json=without).status_code == 200
            said = here.post("/v1/events", json={**without, "recipient": "jo@example.com"})
            assert (said.status_code, said.json()["error"]) == (503, "keyring_away")
            assert here.post("/v1/documents", content=b"x").status_code == 503
        assert len(far.asked) == 1
        assert len(here.events()) == 3 and here.events("documents") == []
