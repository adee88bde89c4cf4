"""What a file would become, said to the person who has it: recipients by name, and what each failure means."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mailwake.keyring.opening import KeysWhenAsked, has_keyring
from mailwake.reading import reading_settings
from mailwake.rulesets import ruleset_of
from mailwake.settings import Settings
from processors.classification.classify import Ruleset, Verdict
from processors.classification.stage import verdict_on
from processors.documents.inspect import Inspection, inspect
from processors.documents.reading import hasher
from processors.origin import Hashed
from schemas.keyring import TenantKeys
from schemas.mail import MailEvent, MessageBounced, MessageDeferred, MessageExpired
from schemas.record import Event, now_ms
from sources.mailboxes import documents_in, found_at

ONE_TIME_KEY = b"mailwake inspect"
"""What addresses are hashed with where there is no keyring yet: nothing is kept of it."""


class _OneTimeKeys:
    def hashing_key(self, tenant: str) -> bytes:
        """The same for everybody."""
        return ONE_TIME_KEY

    def data_key(self, tenant: str) -> None:
        """Nothing is sealed."""


@dataclass(slots=True)
class Inspector:
    """Inspects files as the pipeline of these settings would read them. Raises SettingsError."""

    settings: Settings
    _addresses: dict[str, str] = field(default_factory=dict)
    """The recipients met so far, by hash."""

    def files(self, path: Path) -> Iterator[tuple[Path, Inspection]]:
        """What each document in a file would become, with where it was found. Raises UnreadablePath."""
        settings = self.settings
        keys: TenantKeys = KeysWhenAsked(settings) if has_keyring(settings) else _OneTimeKeys()
        hashing = partial(self._remembering, keys)
        for name, content in documents_in(path):
            read = inspect(content, name, settings.tenant, reading_settings(settings), hashing, now_ms())
            yield found_at(path, name), read

    def recipient(self, event: Event) -> str | None:
        """The recipient of an event, in clear."""
        return self._addresses.get(getattr(event, "recipient_hash", None) or "")

    def verdict(self, event: Event) -> Verdict | None:
        """What a failure means; None for what is none."""
        if not isinstance(event, MessageBounced | MessageDeferred | MessageExpired):
            return None
        return verdict_on(event, self._ruleset())

    def told(self, event: Event) -> dict[str, Any]:
        """An event as JSON has it."""
        said: dict[str, Any] = {"type": type(event).__name__, "fields": event.model_dump(mode="json")}
        if isinstance(event, MailEvent):
            said["recipient"] = self.recipient(event)
        verdict = self.verdict(event)
        if verdict is not None:
            said["classified"] = {
                "class": verdict.bounce_class,
                "leaf": verdict.leaf,
                "address_fatal": verdict.address_fatal,
                "message_fatal": verdict.message_fatal,
                "scope": verdict.scope,
                "action": verdict.action,
                "rule": verdict.rule,
                "ruleset": self._ruleset().name,
            }
        return said

    def _ruleset(self) -> Ruleset:
        return ruleset_of(self.settings)

    def _remembering(self, keys: TenantKeys, tenant: str) -> Hashed:
        hashed = hasher(keys, tenant)

        def remembered(address: str) -> str | None:
            known = hashed(address)
            if known is not None:
                self._addresses[known] = address
            return known

        return remembered
