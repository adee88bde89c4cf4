import numpy as np
import polars as pl
import pytest

from schemas.codec import encode_rows
from schemas.documents import DocumentReceived
from schemas.framing import framed_rows, varints
from schemas.mail import MessageBounced, MessageSent
from schemas.suppression import RecipientSuppressed


def bounce(**fields: object) -> dict[str, object]:
    defaults = {name: field.default for name, field in MessageBounced.model_fields.items()}
    given = {"event_id": "0" * 36, "occurred_at": 0, "recorded_at": 1, "source": "simulator"}
    return {**defaults, **given, **fields}


ROWS = [
    bounce(occurred_at=0, smtp_code=550, is_async=True, response="x" * 63),
    bounce(occurred_at=-1, smtp_code=None, is_async=False, response="x" * 64),
    bounce(occurred_at=2**41, smtp_code=63, is_async=False, response=None, provider="gmail"),
    bounce(occurred_at=1_780_000_000_000, smtp_code=64, is_async=True, response="", message_id="<é@x>"),
    bounce(occurred_at=2**62, smtp_code=0, is_async=True, response="ü" * 2000, stream="marketing"),
    bounce(occurred_at=-(2**62), smtp_code=999, is_async=False, response="\x00", recipient_hash="f" * 128),
]


@pytest.mark.parametrize("rows", [ROWS, *([row] for row in ROWS), ROWS[:2], ROWS[2:5]])
def test_the_bytes_are_those_of_the_per_record_codec(rows: list[dict[str, object]]) -> None:
    assert framed_rows(MessageBounced, pl.DataFrame(rows)).to_list() == encode_rows(MessageBounced, rows)


def test_missing_columns_take_their_defaults() -> None:
    frame = pl.DataFrame(ROWS).select("event_id", "tenant", "occurred_at", "recorded_at", "source")
    rows = [{**bounce(), "occurred_at": row["occurred_at"]} for row in ROWS]
    assert framed_rows(MessageBounced, frame).to_list() == encode_rows(MessageBounced, rows)


@pytest.mark.parametrize("texts", [["x" * 63], ["x" * 64, "ü"], [], ["", "a"] * 40])
def test_arrays_of_text_are_framed_as_well(texts: list[str]) -> None:
    given = {"event_id": "0" * 36, "occurred_at": 0, "recorded_at": 1, "source": "mailwake", "since": 5}
    known = {name: field.default for name, field in RecipientSuppressed.model_fields.items()}
    rows = [
        {
            **known,
            **given,
            "recipient_hash": "f" * 32,
            "reason": "bounce",
            "reasons": [],
            "evidence": evidence,
        }
        for evidence in (texts, ["b"], [], texts)
    ]
    frame = pl.DataFrame(rows, schema_overrides={"reasons": pl.List(pl.String)})
    assert framed_rows(RecipientSuppressed, frame).to_list() == encode_rows(RecipientSuppressed, rows)
    nothing = pl.Series("evidence", [[None]] * len(rows), pl.List(pl.String))
    with pytest.raises(ValueError, match="evidence has null among its items"):
        framed_rows(RecipientSuppressed, frame.with_columns(nothing))


def test_a_column_of_other_than_text_is_text_where_the_field_is() -> None:
    rows = [bounce(campaign="1"), bounce(campaign="20")]
    frame = pl.DataFrame(rows).with_columns(pl.col("campaign").cast(pl.Categorical))
    assert framed_rows(MessageBounced, frame).to_list() == encode_rows(MessageBounced, rows)


def test_no_rows_give_no_records() -> None:
    assert framed_rows(MessageBounced, pl.DataFrame(ROWS).head(0)).to_list() == []


@pytest.mark.parametrize("value", [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 2**31, 2**63 - 1, -(2**63)])
def test_varints_decode_to_what_they_were(value: int) -> None:
    for values in ([value], [0, value], [value, 1]):
        for encoded, wanted in zip(varints(np.array(values)).to_list(), values, strict=True):
            raw = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(encoded))
            assert (raw >> 1) ^ -(raw & 1) == wanted
            assert all(byte & 0x80 for byte in encoded[:-1])
            assert not encoded[-1] & 0x80


def test_what_has_no_form_is_named() -> None:
    frame = pl.DataFrame(ROWS)
    with pytest.raises(ValueError, match=r"MessageSent has no field .*is_async"):
        framed_rows(MessageSent, frame)
    with pytest.raises(ValueError, match=r"MessageBounced.event_id has no column"):
        framed_rows(MessageBounced, frame.drop("event_id"))
    with pytest.raises(ValueError, match=r"MessageBounced.tenant is null in 6 rows"):
        framed_rows(MessageBounced, frame.with_columns(tenant=pl.lit(None, pl.String)))
    with pytest.raises(TypeError, match=r"DocumentReceived.content is bytes"):
        framed_rows(DocumentReceived, pl.DataFrame([{
            "event_id": "x", "tenant": "x", "occurred_at": 0, "recorded_at": 0, "source": "x", "receipt_id": "x",
            "sha256": "x", "size": 1, "content": b"x",
        }]))  # fmt: skip
