"""The committed schemas are what the models say; released ones never change; ids are never reused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import fastavro
import pytest
from pydantic import Field, create_model

import schemas.encoding.avro
from schemas.catalog import FIRST_ID, RECORDS, TOPICS, versions
from schemas.compatibility import incompatibilities
from schemas.documents import DocumentProcessed
from schemas.encoding.avro import schema_of
from schemas.generate import HERE, differences, generate, release, write
from schemas.mail import MailEvent, MessageOpened
from schemas.record import Event, FlatRecord

NAME = "MessageOpened"


def as_model(name: str, base: type[Event], **fields: Any) -> type[Event]:
    """A changed model under the name of an old one."""
    return create_model(name, __base__=base, **fields)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A copy of the committed schemas, everything released."""
    copy = tmp_path / "schemas"
    shutil.copytree(HERE / "avsc", copy / "avsc")
    shutil.copy(HERE / "ids.json", copy)
    release(copy)
    return copy


Change = Callable[[type[Event]], None]


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Change:
    def now(model: type[Event]) -> None:
        monkeypatch.setitem(RECORDS, model.__name__, model)
        monkeypatch.setattr(schemas.encoding.avro, "_attribute_docs", lambda cls: {})

    return now


def test_the_committed_files_are_what_the_models_say() -> None:
    assert differences() == []


def test_every_record_that_the_topics_are_said_to_hold_is_there() -> None:
    assert {topic: {record.__name__ for record in records} for topic, records in TOPICS.items()} == {
        "documents": {"DocumentReceived"},
        "documents.outcomes": {"DocumentProcessed"},
        "mail.events": {
            "MessageSent", "MessageDelivered", "MessageDeferred", "MessageBounced", "MessageDropped", "MessageExpired",
            "ComplaintReceived", "MessageOpened", "LinkClicked", "RecipientUnsubscribed", "RecipientResubscribed",
            "AutoReplyReceived",
        },
        "dmarc.records": {"DmarcReportParsed", "DmarcRecordReported"},
        "reputation.deltas": {"ReputationDeltas"},
        "reputation.buckets": {"ReputationBuckets"},
        "reputation.scores": {"ReputationScored"},
        "dead.letters": {"DeadLetter"},
        "mail.classified": {"BounceClassified"},
        "suppressions.evidence": {"SuppressionEvidence"},
        "suppressions": {"RecipientSuppressed", "SuppressionLifted"},
        "tail.places": {"TailPlace", "TailState"},
    }  # fmt: skip


def test_ids_are_unique_and_where_no_registry_gets_to() -> None:
    ids = [
        number
        for numbers in json.loads((HERE / "ids.json").read_text()).values()
        for number in numbers.values()
    ]
    assert len(ids) == len(set(ids)) == len(versions())
    assert min(ids) >= FIRST_ID >= 1_000_000


def test_every_committed_schema_is_avro_and_compatible_with_every_other_of_its_record() -> None:
    for one in versions().values():
        fastavro.parse_schema(one.schema)
        for other in versions().values():
            if one.record is other.record:
                assert incompatibilities(one.schema, other.schema) == []


def test_every_field_of_every_record_is_documented() -> None:
    def check(schema: dict) -> None:  # type: ignore[type-arg]
        assert schema["doc"]
        for field in schema["fields"]:
            assert field.get("doc"), (schema["name"], field["name"])
            if isinstance(field["type"], dict) and isinstance(field["type"].get("items"), dict):
                check(field["type"]["items"])

    for record in RECORDS.values():
        check(schema_of(record))


def test_a_stale_file_is_named(here: Path) -> None:
    (here / "released.json").unlink()
    (here / f"avsc/{NAME}/1.avsc").write_text("{}\n")
    assert differences(here) == [f"schemas/avsc/{NAME}/1.avsc is not what the models say"]


def test_a_changed_model_gets_a_new_version_and_id_once_the_old_one_is_released(
    here: Path, change: Change
) -> None:
    before = {path: path.read_bytes() for path in here.rglob("*.avsc")}
    highest = max(
        i for numbers in json.loads((here / "ids.json").read_text()).values() for i in numbers.values()
    )
    change(as_model(NAME, MessageOpened, country=(str | None, None)))
    assert f"schemas/avsc/{NAME}/2.avsc is not what the models say" in differences(here)
    assert write(here) == []
    ids = json.loads((here / "ids.json").read_text())[NAME]
    assert ids == {"1": json.loads((HERE / "ids.json").read_text())[NAME]["1"], "2": highest + 1}
    assert {path: path.read_bytes() for path in before} == before
    new = json.loads((here / f"avsc/{NAME}/2.avsc").read_text())
    assert new["fields"][-1] == {"name": "country", "type": ["null", "string"], "default": None}
    assert generate(here).broken == []
    assert not any(NAME in path for path in differences(here))


def test_an_unreleased_version_is_rewritten_in_place_under_its_id(here: Path, change: Change) -> None:
    change(as_model(NAME, MessageOpened, country=(str | None, None)))
    write(here)
    ids = (here / "ids.json").read_text()
    change(as_model(NAME, MessageOpened, region_code=(int, 0)))
    assert write(here) == []
    assert (here / "ids.json").read_text() == ids
    assert sorted(path.name for path in (here / f"avsc/{NAME}").iterdir()) == ["1.avsc", "2.avsc"]
    assert "region_code" in (here / f"avsc/{NAME}/2.avsc").read_text()
    release(here)
    change(as_model(NAME, MessageOpened, region_code=(int, 0), more=(bool, False)))
    assert write(here) == []
    assert len(json.loads((here / "ids.json").read_text())[NAME]) == 3


def test_the_id_of_a_record_that_is_gone_is_not_given_again(here: Path, change: Change) -> None:
    ids = json.loads((here / "ids.json").read_text())
    ids["Forgotten"] = {"1": 2_000_000}
    (here / "ids.json").write_text(json.dumps(ids))
    change(as_model(NAME, MessageOpened, country=(str | None, None)))
    write(here)
    after = json.loads((here / "ids.json").read_text())
    assert after[NAME]["2"] == 2_000_001
    assert after["Forgotten"] == {"1": 2_000_000}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (as_model(NAME, MessageOpened, country=(str, ...)), "version 2 can't read version 1: MessageOpened.country: was not written"),
        (as_model(NAME, MessageOpened, is_machine=(str | None, None)), "MessageOpened.is_machine: boolean was written, null|string is read"),
        (as_model(NAME, MailEvent), None),
        (as_model(NAME, MessageOpened, provider=(str | None, None)), "version 1 can't read version 2: MessageOpened.provider: null was written"),
        (as_model(NAME, Event), None),
    ],
)  # fmt: skip
def test_an_incompatible_change_is_refused_and_nothing_is_written(
    here: Path, change: Change, model: type[Event], said: str | None
) -> None:
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    change(model)
    broken = write(here)
    if said is None:
        assert broken == [], "fields with defaults may go"
        return
    assert any(line.startswith(f"{NAME}: ") and said in line for line in broken), broken
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_other_words_about_a_released_record_change_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schemas.encoding.avro, "_attribute_docs", lambda cls: {"tenant": "Another doc."})
    assert differences(here) == []


def test_a_required_field_may_not_go(here: Path, change: Change) -> None:
    change(as_model("DocumentProcessed", Event))
    assert any("version 1 can't read version 2: DocumentProcessed.receipt_id" in line for line in write(here))
    assert DocumentProcessed is not None


def test_a_type_without_an_avro_form_is_refused() -> None:
    class Odd(FlatRecord):
        """Odd."""

        mapping: Annotated[dict[str, int], Field()]
        """No maps."""

    with pytest.raises(TypeError, match="no Avro form"):
        schema_of(Odd)
