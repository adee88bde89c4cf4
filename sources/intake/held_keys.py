"""Tenants' keys for the event loop: from memory only; a thread asks the keyring, which may be far away or slow."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from starlette.concurrency import run_in_threadpool

from schemas.keyring import TenantKeys
from streams.keyring.keyring import KeyringUnavailable
from streams.log import LogError

FRESH_S = 0.5
"""How long a key is used without asking again."""
FAILURE_KEPT_S = 2.0
"""How long a keyring that failed is not asked again: who comes meanwhile is told so at once."""

Result = TypeVar("Result")


class _Held(NamedTuple):
    """What the keyring said of a tenant, until when it counts (monotonic seconds); the failure where it said nothing."""

    until: float
    hashing: bytes | None = None
    data: bytes | None = None
    failure: str | None = None


class _NotInMemory(Exception):
    """A tenant's keys have to be asked for first."""

    def __init__(self, tenant: str) -> None:
        super().__init__(tenant)
        self.tenant = tenant


class _InMemory(TenantKeys):
    """Keys as they were held at one moment: what a batch began with, it ends with. Never waits.

    Raises _NotInMemory, KeyringUnavailable.
    """

    def __init__(self, held: dict[str, _Held]) -> None:
        self._held, self._since = held, time.monotonic()

    def hashing_key(self, tenant: str) -> bytes | None:
        """See `TenantKeys.hashing_key`."""
        return self._of(tenant).hashing

    def data_key(self, tenant: str) -> bytes | None:
        """See `TenantKeys.data_key`."""
        return self._of(tenant).data

    def _of(self, tenant: str) -> _Held:
        held = self._held.get(tenant)
        if held is None or held.until <= self._since:
            raise _NotInMemory(tenant)
        if held.failure is not None:
            raise KeyringUnavailable(held.failure)
        return held


class HeldKeys:
    """A keyring's keys, held for a moment. For one event loop; None is no keyring."""

    def __init__(self, keyring: TenantKeys | None) -> None:
        self._keyring = keyring
        self._held: dict[str, _Held] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def given(self, work: Callable[[TenantKeys | None], Result], *, off_loop: bool) -> Result:
        """What `work` returns, in a thread if `off_loop`. It is done again once the keys it wanted were asked for.

        Raises what `work` raises, LogError (KeyringUnavailable, TenantForgotten) among it.
        """
        while True:
            keys = None if self._keyring is None else _InMemory(self._held)
            try:
                return await run_in_threadpool(work, keys) if off_loop else work(keys)
            except _NotInMemory as missing:
                await self._asked(missing.tenant)

    async def _asked(self, tenant: str) -> None:
        """One thread for a tenant, however many wait for its keys."""
        asking = self._asking.get(tenant)
        if asking is None or asking.done():
            asking = self._asking[tenant] = asyncio.create_task(run_in_threadpool(self._ask, tenant))
        await asyncio.shield(asking)

    def _ask(self, tenant: str) -> None:
        assert self._keyring is not None
        try:
            hashing, data = self._keyring.hashing_key(tenant), self._keyring.data_key(tenant)
        except LogError as error:
            self._held[tenant] = _Held(time.monotonic() + FAILURE_KEPT_S, failure=str(error))
        else:
            self._held[tenant] = _Held(time.monotonic() + FRESH_S, hashing, data)
