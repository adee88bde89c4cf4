"""POST /v1/documents: whole, as received, one or several."""

from pathlib import Path

import pytest
from houses import House, house

from sources.intake.limits import IntakeLimits

REPORT = b"<feedback><report_metadata/></feedback>"


def test_a_body_is_a_document_with_its_name(here: House) -> None:
    said = here.post("/v1/documents?name=report.xml", content=REPORT, headers={"content-type": "text/xml"})
    (document,) = here.events("documents")
    (receipt,) = said.json()["receipts"]
    assert receipt == {
        "receipt_id": document.receipt_id, "sha256": document.sha256, "size": len(REPORT), "name": "report.xml",
    }  # fmt: skip
    assert (document.content, document.content_type) == (REPORT, "text/xml")
    assert (document.source, document.channel, document.tenant) == ("api", "upload", "default")
    here.post("/v1/documents", content=REPORT, headers={"x-filename": "other.xml"})
    assert here.events("documents")[1].name == "other.xml"


def test_an_upload_may_bring_several(here: House) -> None:
    files = [("file", ("a.xml", REPORT, "text/xml")), ("file", ("b.eml", b"From: x\n\n", "message/rfc822"))]
    said = here.post("/v1/documents", files=files, data={"note": "not a file"})
    assert [receipt["name"] for receipt in said.json()["receipts"]] == ["a.xml", "b.eml"]
    assert [document.content for document in here.events("documents")] == [REPORT, b"From: x\n\n"]


def test_the_same_request_under_the_same_key_is_the_same_receipt(here: House) -> None:
    said = [
        here.post("/v1/documents", content=REPORT, headers={"Idempotency-Key": key}).json()["receipts"][0]
        for key in ("one", "one", "two")
    ]
    ids = [document.event_id for document in here.events("documents")]
    assert said[0]["receipt_id"] == said[1]["receipt_id"] != said[2]["receipt_id"]
    assert ids[0] == ids[1] != ids[2]


def test_another_document_under_the_same_key_replaces_none(here: House) -> None:
    sent = [[REPORT], [b"another"], [b"another", REPORT, REPORT]]
    said = [
        receipt["receipt_id"]
        for contents in sent
        for receipt in here.post(
            "/v1/documents",
            files=[("file", (f"{at}", content)) for at, content in enumerate(contents)],
            headers={"Idempotency-Key": "k"},
        ).json()["receipts"]
    ]
    assert said[0] == said[3] and said[1] == said[2] and len(set(said)) == 3


def test_a_key_that_names_nothing_is_refused(here: House) -> None:
    for path, key in (("/v1/documents", ""), ("/v1/documents", "k" * 257), ("/v1/events", "")):
        said = here.post(
            path, content=b"{}", headers={"Idempotency-Key": key, "content-type": "application/json"}
        )
        assert (said.status_code, said.json()["error"]) == (400, "bad_key")
    assert here.events("documents") == []


def test_what_holds_no_document_is_refused(here: House) -> None:
    assert here.post("/v1/documents", content=b"").status_code == 400
    assert here.post("/v1/documents", files=[("file", ("a.xml", b""))]).status_code == 400
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        said = here.post("/v1/documents", content=b"--y\r\n", headers={"content-type": content_type})
        assert said.status_code == 400, said.text
    assert here.events("documents") == []


@pytest.mark.parametrize("cut", [0, 2, 6, 30, 80])
def test_an_upload_that_is_cut_is_not_taken_in_part(here: House, cut: int) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%d"\r\n\r\nFrom: x\r\n'
    whole = part % 1 + part % 2 + b"--x--"
    said = here.post(
        "/v1/documents",
        content=whole[: len(whole) - cut],
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert (said.status_code, len(here.events("documents"))) == ((200, 2) if cut == 0 else (400, 0)), (
        said.text
    )


def test_more_than_is_taken_is_refused(tmp_path: Path) -> None:
    with house(tmp_path, IntakeLimits(document_bytes=1_000, parts=3)) as here:
        assert here.post("/v1/documents", content=b"x" * 1_001).status_code == 413
        files = [("file", (f"{at}", b"x")) for at in range(4)]
        assert here.post("/v1/documents", files=files).status_code in (400, 413)
        assert here.events("documents") == []


def test_a_content_type_without_end_is_cut(here: House) -> None:
    said = here.post("/v1/documents", content=b"x", headers={"content-type": "text/" + "x" * 5_000})
    assert said.status_code == 200
    (document,) = here.events("documents")
    assert document.content_type == ("text/" + "x" * 5_000)[:1024]  # type: ignore[attr-defined]
