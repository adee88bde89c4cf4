"""Mailbox files (mbox, RFC 4155): many mails in one file, each of them a document of its own."""

import mailbox
from collections.abc import Iterator
from pathlib import Path

from sources.files import LARGEST_DOCUMENT, UnreadablePath, name_of, read_document

FROM_LINE = b"From "


def documents_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """The documents in a file, each with its name: the mails of a mailbox of several, else the file as it is.

    Raises UnreadablePath when it can't be read, or one of them is too large.
    """
    box = _mailbox(path)
    if box is None:
        yield name_of(path), read_document(path)
        return
    try:
        for number, key in enumerate(box.iterkeys(), start=1):
            mail = box.get_bytes(key)
            if len(mail) > LARGEST_DOCUMENT:
                raise UnreadablePath(
                    f"{path}, mail {number}: {len(mail):,} bytes; documents of up to {LARGEST_DOCUMENT:,} are taken"
                )
            yield f"{name_of(path)}#{number}", mail
    finally:
        box.close()


def found_at(path: Path, name: str) -> Path:
    """Where the document of this name was found in a file: of a mailbox's mails each has its number behind the file's name."""
    return path.with_name(path.name + name.removeprefix(name_of(path)))


def _mailbox(path: Path) -> mailbox.mbox | None:
    """The mailbox that a file is; None for what holds less than two mails."""
    try:
        with path.open("rb") as file:
            if file.read(len(FROM_LINE)) != FROM_LINE:
                return None
        box = mailbox.mbox(path, create=False)
    except OSError as error:
        raise UnreadablePath(f"{path}: {error.strerror}") from None
    if len(box) < 2:
        box.close()
        return None
    return box
