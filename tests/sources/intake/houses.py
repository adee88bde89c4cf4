"""An intake without a server: requests go into its application, records into a log that can be looked at."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from schemas.codec import decode
from schemas.keyring import TenantKeys
from schemas.record import Event
from sources.documents import DocumentIntake
from sources.intake.access import Access
from sources.intake.admission import Admission
from sources.intake.app import intake_app
from sources.intake.appending import Appending
from sources.intake.documents import DocumentsDesk, documents_router
from sources.intake.events import EventsDesk, events_router
from sources.intake.held_keys import HeldKeys
from sources.intake.hook_file import HookFile
from sources.intake.hooks import HookDesk, hooks_router
from sources.intake.keys import KeyFile
from sources.intake.limits import IntakeLimits
from sources.intake.route import Front
from streams.blobs import Blobs
from streams.emitter import Emitter
from streams.log import Log, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

TENANT_KEY = b"k" * 32


class FixedKeys:
    """The same keys for every tenant but the forgotten one."""

    def hashing_key(self, tenant: str) -> bytes | None:
        return None if tenant == "forgotten" else TENANT_KEY

    def data_key(self, tenant: str) -> bytes | None:
        return None if tenant == "forgotten" else TENANT_KEY


@dataclass(frozen=True)
class House:
    folder: Path
    log: Log
    app: Front
    keys: KeyFile
    hooks: HookFile
    admission: Admission

    def send(self, method: str, path: str, *, peer: str = "127.0.0.1", **more: Any) -> httpx.Response:
        """A request from a client at this address to 127.0.0.1."""

        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(peer, 50_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8025") as client:
                return await client.request(method, path, **more)

        return asyncio.run(sent())

    def together(self, posts: Sequence[tuple[str, bytes, dict[str, str]]]) -> list[httpx.Response]:
        """Posts (path, body, headers) at once."""

        async def sent() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 50_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8025") as client:
                sending = [client.post(path, content=body, headers=headers) for path, body, headers in posts]
                return list(await asyncio.gather(*sending))

        return asyncio.run(sent())

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.send("POST", path, **more)

    def events(self, topic: str = "mail.events") -> list[Event]:
        """What is in the log."""
        batch = self.log.read(TopicPartition(topic), 0, 100_000)
        return [decode(value) for value in batch.values if value is not None]


@contextmanager
def house(
    folder: Path,
    limits: IntakeLimits | None = None,
    *,
    open_tenant: str | None = "default",
    sealed: bool = False,
    log: Log | None = None,
    keyring: TenantKeys | None = None,
    public_url: str | None = None,
) -> Iterator[House]:
    """An intake over a log in this folder, or over this one."""
    limits = limits or IntakeLimits()
    opened = log or SqliteLog.open(folder / "log.db", TOPICS)
    keys, hooks = KeyFile(folder / "keys.toml"), HookFile(folder / "hooks.toml")
    tenant_keys = HeldKeys(keyring or FixedKeys())
    sealing_keys = tenant_keys if sealed else HeldKeys(None)
    with Emitter(opened) as emitter:
        admission, appending = Admission(limits), Appending(emitter, limits)
        access = Access(keys, hooks, open_tenant)
        intake = DocumentIntake(opened, Blobs(folder / "blobs"))
        routers = [
            hooks_router(HookDesk(hooks, intake, sealing_keys, appending, limits, public_url), admission),
            events_router(EventsDesk(access, tenant_keys, appending, limits), admission),
            documents_router(DocumentsDesk(access, intake, sealing_keys, appending, limits), admission),
        ]
        app = Front(intake_app(routers, "test"), [route for router in routers for route in router.routes])
        yield House(folder, opened, app, keys, hooks, admission)
    opened.close()
