"""Messages whose last line has not come yet: what later lines need of earlier ones, within bounds, in chunks.

Chunks are written with the events of the lines that changed them, so that whoever goes on has what was known there.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

CHUNKS = 256


class OpenMessage:
    """What is known of a message."""

    __slots__ = (
        "dkim_domain",
        "dkim_selector",
        "first",
        "from_domain",
        "last",
        "mail_from",
        "message_id",
        "recipients",
        "size",
    )

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.message_id: str | None = None
        self.mail_from: str | None = None
        self.from_domain: str | None = None
        self.dkim_domain: str | None = None
        self.dkim_selector: str | None = None
        self.size: int | None = None
        self.recipients: dict[str, list[Any]] | None = None
        """By hash, those who have not got it yet: attempts made, domain, mx_host, provider."""


class OpenMessages:
    """The open messages by id. `touched` holds the ids that changed: whoever changes a message adds its id."""

    def __init__(self, most: int, longest_ms: int) -> None:
        self._most, self._longest_ms = most, longest_ms
        self.found: dict[str, OpenMessage] = {}
        self.touched: set[str] = set()
        self._written: set[str] = set()
        self._next_sweep = 0

    def opened(self, identity: str, at: int) -> OpenMessage:
        """The message of this id, a new one if there is none."""
        message = self.found.get(identity)
        if message is None:
            message = self.found[identity] = OpenMessage(at)
        message.last = at
        self.touched.add(identity)
        return message

    def close(self, identity: str) -> None:
        """Nothing more is to come of it."""
        if self.found.pop(identity, None) is not None:
            self.touched.add(identity)

    def keep_within(self, at: int) -> int:
        """Give up what is too old or too much, at log time `at`; how many were given up for want of room."""
        given_up = 0
        if at >= self._next_sweep:
            self._next_sweep = at + self._longest_ms // 100
            for identity in [i for i, m in self.found.items() if at - m.last > self._longest_ms]:
                self.close(identity)
        if len(self.found) > self._most:
            oldest = sorted(self.found, key=lambda identity: self.found[identity].last)
            given_up = len(oldest) - self._most * 9 // 10
            for identity in oldest[:given_up]:
                self.close(identity)
        return given_up

    def forget_recipients(self) -> None:
        """Have nobody wait for a message any more: their hashes are of a key that is gone."""
        for identity, message in self.found.items():
            if message.recipients is not None:
                message.recipients = None
                self.touched.add(identity)

    def changes(self) -> Mapping[str, bytes | None]:
        """The chunks that changed since the last call; None for one that is empty now."""
        changed = {i for i in self.touched if i in self.found or i in self._written}
        self.touched.clear()
        if not changed:
            return {}
        content: dict[int, dict[str, Any]] = {_chunk_of(identity): {} for identity in changed}
        self._written = set()
        for identity, message in self.found.items():
            self._written.add(identity)
            chunk = content.get(_chunk_of(identity))
            if chunk is not None:
                chunk[identity] = _written(message)
        return {
            f"open/{number}": zlib.compress(json.dumps(chunk, separators=(",", ":")).encode(), 1)
            if chunk
            else None
            for number, chunk in content.items()
        }

    def restore(self, chunks: Mapping[str, bytes]) -> None:
        """Have the messages in these chunks. Raises ValueError for what `changes` did not make."""
        for name, content in chunks.items():
            if name.startswith("open/"):
                for identity, kept in json.loads(zlib.decompress(content)).items():
                    self.found[identity] = _read(kept)
        self._written = set(self.found)


def _chunk_of(identity: str) -> int:
    return zlib.crc32(identity.encode()) % CHUNKS


def _written(message: OpenMessage) -> list[Any]:
    return [
        message.first, message.last, message.message_id, message.mail_from, message.from_domain,
        message.dkim_domain, message.dkim_selector, message.size, message.recipients,
    ]  # fmt: skip


def _read(kept: list[Any]) -> OpenMessage:
    message = OpenMessage(kept[0])
    (
        _, message.last, message.message_id, message.mail_from, message.from_domain,
        message.dkim_domain, message.dkim_selector, message.size, message.recipients,
    ) = kept  # fmt: skip
    return message
