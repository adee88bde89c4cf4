"""The HTTP intake, put together: what it appends to, who may call it, what it answers from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mailwake.settings import Settings

if TYPE_CHECKING:
    from mailwake.intake.answers import Suppressions
    from mailwake.keyring.opening import KeysWhenAsked
    from mailwake.monitor.server import Monitored
    from sources.intake.limits import IntakeLimits
    from sources.intake.route import Front
    from streams.emitter import Emitter
    from streams.log import Log
    from streams.spool.spooled_log import SpooledLog


@contextmanager
def served(
    settings: Settings,
    log: "Log | SpooledLog",
    failed: Callable[[], None],
    keys: "KeysWhenAsked | None" = None,
) -> Iterator[str | None]:
    """Serve the intake for the length of the block; yields its URL, None where the settings want none.

    What was answered with 2xx is durable; the block's end waits a bounded time for requests in hand. `failed` is called
    when it ends by itself; its failure is raised at the block's end. `keys` are those of the keyring that the settings name,
    where somebody asks the log about it later. Raises IntakeCannotListen, SettingsError,
    InvalidHook, InvalidKeys, KeyringError.
    """
    if not (settings.intake_host and settings.intake_port):
        yield None
        return
    from mailwake.intake.answers import suppressions
    from mailwake.intake.server import IntakeServer
    from streams.emitter import Emitter
    from streams.spool.spooled_log import SpooledLog

    limits = limits_of(settings)
    readable = None if isinstance(log, SpooledLog) else log
    with suppressions(settings, readable) as answers, Emitter(log, settings.tenant) as emitter:
        app = intake_of(settings, log, emitter, answers, limits, keys)
        server = IntakeServer(app, settings, limits, failed)
        with server.running():
            yield server.url


@contextmanager
def opened(settings: Settings, monitored: "Monitored", failed: Callable[[], None]) -> Iterator[str | None]:
    """The log, or its spool, and the intake that appends to it, watched. Raises as `served`, LogError."""
    from mailwake.keyring.opening import KeysWhenAsked
    from mailwake.monitor.pages import Part, Subject
    from mailwake.opening import open_any_log, open_spooled_log
    from streams.log import LogFull, LogUnavailable, TopicPartition
    from streams.running.vitals import Moment, Vitals
    from streams.topics import TOPICS

    keys = KeysWhenAsked(settings)
    spooled = open_spooled_log(settings, meets=keys.meet)
    log: Log | SpooledLog = spooled or open_any_log(settings)

    def check() -> None:
        if spooled is not None:
            spooled.held()
        else:
            log.end(TopicPartition(TOPICS[0].name))  # type: ignore[union-attr]

    try:
        subject = Subject(Vitals((), Moment.now()), (Part("log", check, (LogFull, LogUnavailable)),))
        with monitored.watching(subject), served(settings, log, failed, keys) as url:
            yield url
    finally:
        log.close()


def limits_of(settings: Settings) -> "IntakeLimits":
    """What the settings change of the limits."""
    from sources.intake.limits import IntakeLimits

    return replace(
        IntakeLimits(), document_bytes=settings.intake_document_bytes, requests=settings.intake_requests
    )


def intake_of(
    settings: Settings,
    log: "Log | SpooledLog",
    emitter: "Emitter",
    answers: "Suppressions",
    limits: "IntakeLimits",
    tenant_keys: "KeysWhenAsked | None" = None,
) -> "Front":
    """The application. Raises InvalidHook, InvalidKeys for files that can't be used, KeyringError."""
    from console.health import health_router
    from console.messages import MessagesDesk, messages_router
    from console.suppressions import SuppressionsDesk, suppressions_router
    from mailwake import __version__
    from mailwake.intake.answers import life_of
    from mailwake.keyring.opening import KeysWhenAsked
    from sources.documents import DocumentIntake
    from sources.intake.access import Access, is_loopback
    from sources.intake.admission import Admission
    from sources.intake.app import intake_app
    from sources.intake.appending import Appending
    from sources.intake.documents import DocumentsDesk, documents_router
    from sources.intake.events import EventsDesk, events_router
    from sources.intake.held_keys import HeldKeys
    from sources.intake.hook_file import HookFile
    from sources.intake.hooks import HookDesk, hooks_router
    from sources.intake.keys import KeyFile
    from sources.intake.route import Front
    from streams.blobs import Blobs

    admission, appending = Admission(limits), Appending(emitter, limits)
    tenant_keys = tenant_keys or KeysWhenAsked(settings)
    tenant_keys.keyring()
    keys, hooks, held = KeyFile(settings.keys), HookFile(settings.hooks), HeldKeys(tenant_keys)
    keys.keys(), hooks.hooks()
    access = Access(keys, hooks, settings.tenant if is_loopback(settings.intake_host) else None)
    documents = DocumentIntake(
        log,
        Blobs(settings.blobs),
        settings.tenant,
        from_domain=settings.from_domain,
    )
    routers = [
        hooks_router(HookDesk(hooks, documents, held, appending, limits, settings.intake_url), admission),
        events_router(EventsDesk(access, held, appending, limits), admission),
        documents_router(DocumentsDesk(access, documents, held, appending, limits), admission),
        suppressions_router(SuppressionsDesk(access, answers.look_up), admission),
        messages_router(MessagesDesk(access, partial(life_of, settings)), admission),
    ]
    health = health_router(appending.trouble, answers.trouble)
    app = intake_app([*routers, health], __version__)
    return Front(app, [route for router in routers for route in router.routes])
