"""A large document that comes again after somebody was taken out of it."""

from pathlib import Path

import pytest

from processors.documents.stage import DocumentStage
from processors.stage import Slice
from schemas.codec import decode, encode
from schemas.documents import DocumentProcessed, DocumentReceived
from schemas.erased import stand_in
from schemas.mail import MessageBounced
from schemas.recipient import recipient_hash
from schemas.sealing import blob_place
from sources.documents import DocumentIntake
from streams.blobs import Blobs
from streams.keyring.file_keyring import FileKeyring
from streams.sealed_documents import content_of, sealed

ADDRESS = "john@example.com"
BOUNCE = f"""\
From: MAILER-DAEMON@mx.example.net
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; {ADDRESS}
Action: failed
Status: 5.1.1

--b
Content-Type: text/plain

{"x" * 600_000}
--b--
""".encode()


class House:
    def __init__(self, folder: Path) -> None:
        self.blobs = Blobs(folder / "blobs")
        self.keys = FileKeyring.open(folder / "mailwake.keys", create=True)
        self.intake = DocumentIntake(None, self.blobs, "default", keys=self.keys)  # type: ignore[arg-type]
        self.hashed = recipient_hash(self.keys.hashing_key("default") or b"", ADDRESS)

    def receive(self) -> DocumentReceived:
        document, _ = self.intake.prepare(BOUNCE, "large.eml")
        assert document.content is None and document.erased == 0
        return document

    def replace_blob(self, document: DocumentReceived, content: bytes) -> None:
        key = self.keys.data_key("default") or b""
        place = blob_place("default", document.sha256)
        self.blobs.replace("default", document.sha256, sealed(key, place, content))

    def read(self, document: DocumentReceived) -> tuple[str, list[str | None]]:
        stage = DocumentStage(self.blobs.get, keys=self.keys)
        stage.take(Slice("documents", 0, 0, 1, [0], [encode(document)]))
        events = [decode(emission.value or b"") for emission in stage.flush().emissions]
        (outcome,) = [event.outcome for event in events if isinstance(event, DocumentProcessed)]
        return outcome, [event.recipient_hash for event in events if isinstance(event, MessageBounced)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_its_bytes_are_kept_as_they_came(house: House) -> None:
    first = house.receive()
    house.replace_blob(first, BOUNCE.replace(ADDRESS.encode(), stand_in(house.hashed, ADDRESS).encode()))
    again = house.receive()
    assert again.sha256 == first.sha256
    assert content_of(again, house.blobs, house.keys) == BOUNCE
    for document in (first.model_copy(update={"erased": 1}), again):
        assert house.read(document) == ("parsed", [house.hashed])


def test_what_is_there_already_is_not_written_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.receive()
    monkeypatch.setattr(Blobs, "replace", None)
    house.receive()


def test_a_stand_in_is_known_though_the_record_does_not_say_that_somebody_was_taken_out(house: House) -> None:
    document = house.receive()
    house.replace_blob(document, BOUNCE.replace(ADDRESS.encode(), stand_in(house.hashed, ADDRESS).encode()))
    assert house.read(document) == ("parsed", [house.hashed])
    house.replace_blob(document, b"")
    assert house.read(document) == ("forgotten", [])
