"""Hypothesis strategies for any valid event, derived from the models' own annotations."""

import inspect
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from hypothesis import strategies as st
from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from schemas.catalog import RECORDS
from schemas.mail import EnhancedCode, Provider
from schemas.record import (
    SECONDS_FROM,
    SECONDS_TO,
    Event,
    EventId,
    FlatRecord,
    MailDomain,
    MailMillis,
    Millis,
    Tenant,
)

LONG = 2**63
BLANKS = [chr(code) for code in range(0x3001) if chr(code).isspace()]
RULESET = r"^[\w.-]+$"
SHA256 = r"^[0-9a-f]{64}$"


def events(record: type[Event]) -> st.SearchStrategy[Event]:
    """Any valid event of a type."""
    return _records(record).map(lambda fields: record(**fields))


def any_event() -> st.SearchStrategy[Event]:
    """Any valid event of any type."""
    return st.sampled_from(list(RECORDS.values())).flatmap(events)


def _records(record: type[FlatRecord]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: _values(hint) for name, hint in _hints(record).items()}
    required = {name for name, info in record.model_fields.items() if info.is_required()} | {"event_id"}
    return st.fixed_dictionaries(
        {name: fields[name] for name in fields if name in required},
        optional={name: fields[name] for name in fields if name not in required},
    )


def _hints(record: type[FlatRecord]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for cls in reversed(record.__mro__):
        if issubclass(cls, FlatRecord):
            hints |= inspect.get_annotations(cls, eval_str=True)
    return {name: hints[name] for name in record.model_fields}


def _values(hint: Any, limits: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    if hint is EventId:
        return st.uuids().map(str)
    if hint is MailMillis:
        return _values(Millis).filter(lambda value: not SECONDS_FROM <= value < SECONDS_TO)
    if hint is MailDomain:
        return _domains()
    if hint is Tenant:
        return st.text(
            st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/"),
            min_size=1,
            max_size=40,
        )
    if hint is EnhancedCode:
        return st.from_regex(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True)
    if hint is Provider:
        return st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *more = get_args(hint)
        return _values(inner, (*limits, *more))
    if origin is Literal:
        return st.sampled_from(get_args(hint))
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not type(None))
        return st.none() | _values(inner)
    if origin is tuple:
        return st.lists(_values(get_args(hint)[0]), max_size=3).map(tuple)
    if isinstance(hint, type) and issubclass(hint, FlatRecord):
        return _records(hint)
    return _scalars(hint, limits)


def _scalars(kind: type, limits: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if kind is bool:
        return st.booleans()
    if kind is bytes:
        return st.binary(max_size=100)
    low, high = _bounds(limits)
    if kind is int:
        low, high = -LONG if low is None else low, LONG - 1 if high is None else high
        return st.integers(low, high) | st.sampled_from([low, high])
    if kind is float:
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    assert kind is str
    return _texts(limits)


def _bounds(limits: tuple[Any, ...]) -> tuple[Any, Any]:
    flat = [
        part for limit in limits for part in (limit.metadata if isinstance(limit, FieldInfo) else [limit])
    ]
    low = next((part.ge for part in flat if isinstance(part, annotated_types.Ge)), None)
    high = next((part.le for part in flat if isinstance(part, annotated_types.Le)), None)
    return low, high


def _texts(limits: tuple[Any, ...]) -> st.SearchStrategy[str]:
    said = next((limit for limit in limits if isinstance(limit, StringConstraints)), StringConstraints())
    if said.pattern:
        assert said.pattern in (SHA256, RULESET), said
        texts = st.from_regex(said.pattern, fullmatch=True, alphabet=st.characters(codec="ascii"))
        return texts if said.max_length is None else texts.map(lambda text: text[: said.max_length])
    shortest, longest = said.min_length or 0, said.max_length or 10_000
    texts = st.text(st.characters(codec="utf-8"), min_size=shortest, max_size=min(longest, 60))
    long = st.sampled_from("aé✉𐍈").map(lambda letter: letter * longest)
    texts = st.one_of(texts, texts, texts, long)
    return texts.filter(lambda text: len(text.strip()) >= shortest) if said.strip_whitespace else texts


def _domains() -> st.SearchStrategy[str]:
    """Text that is no address, of any letters, as long as it may be."""
    letters = st.characters(codec="utf-8", exclude_characters=["@", *BLANKS])
    return st.text(letters, min_size=1, max_size=60) | st.sampled_from("aé✉𐍈").map(
        lambda letter: letter * 253
    )
