from pathlib import Path

import pytest

from sources.files import UnreadablePath
from sources.mailboxes import documents_in

MAIL = b"From: <>\nSubject: one\n\nhello\n>From here on\n"
SEPARATOR = b"From MAILER-DAEMON Thu Nov 26 10:00:00 2026\n"


def test_each_mail_of_a_mailbox_is_a_document(tmp_path: Path) -> None:
    box = tmp_path / "bounces.mbox"
    box.write_bytes(SEPARATOR + MAIL + b"\n" + SEPARATOR + MAIL.replace(b"one", b"two") + b"\n")
    assert list(documents_in(box)) == [
        ("bounces.mbox#1", MAIL),
        ("bounces.mbox#2", MAIL.replace(b"one", b"two")),
    ]


@pytest.mark.parametrize(
    "content", [MAIL, SEPARATOR + MAIL, b"", b"From", b"From nobody at all", b"\x1f\x8b"]
)
def test_anything_else_is_one_document_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mail.eml"
    file.write_bytes(content)
    assert list(documents_in(file)) == [("mail.eml", content)]


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePath, match=r"gone\.mbox"):
        list(documents_in(tmp_path / "gone.mbox"))


def test_many_mails_come_one_after_the_other(tmp_path: Path) -> None:
    box = tmp_path / "many"
    box.write_bytes(b"".join(SEPARATOR + MAIL + b"\n" for _ in range(2_000)))
    documents = documents_in(box)
    assert next(documents) == ("many#1", MAIL)
    assert sum(1 for _ in documents) == 1_999
