"""Every event type of every provider tells what it should, and nothing is left out."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from webhook_case import RECEIVED, RECORDED, Case, as_bytes, read

from processors.webhooks.read import _rule_for
from processors.webhooks.tables import PROVIDERS, table_of

FOLDER = Path(__file__).parent / "told"


def module_of(provider: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"told_{provider}", FOLDER / f"{provider}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES: dict[str, list[Case]] = {provider: module_of(provider).CASES for provider in PROVIDERS}


EVERY_CASE = [
    pytest.param(provider, each, id=f"{provider}: {each.name}")
    for provider, cases in CASES.items()
    for each in cases
]


@pytest.mark.parametrize(("provider", "each"), EVERY_CASE)
def test_it_tells(provider: str, each: Case) -> None:
    reading = read(provider, each.body)
    assert reading.not_understood == ()
    assert len(reading.ignored) == each.ignored
    told = [(type(event).__name__, event) for event in reading.events]
    assert [name for name, _ in told] == [name for name, _ in each.told]
    for (_, event), (_, expected) in zip(told, each.told, strict=True):
        assert {field: getattr(event, field) for field in expected} == expected
        assert event.tenant == "acme"
        assert event.source == provider
        assert event.channel == "hook"
        assert event.recorded_at == RECORDED
        assert event.source_event_id
        assert event.occurred_at != RECEIVED or expected.get("occurred_at") == RECEIVED


@pytest.mark.parametrize(("provider", "each"), EVERY_CASE)
def test_told_again_it_is_the_same(provider: str, each: Case) -> None:
    once, again = (
        [event.event_id for event in read(provider, each.body, channel).events] for channel in ("hook", "sns")
    )
    assert once == again
    assert len(set(once)) == len(once)


@pytest.mark.parametrize(("provider", "each"), EVERY_CASE)
def test_no_address_in_clear(provider: str, each: Case) -> None:
    shown = repr(read(provider, each.body)).lower()
    for trace in ("jo.doe", "ann@", "jo%2edoe"):
        assert trace not in shown


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_rule_of_the_table_is_told_of(provider: str) -> None:
    table = table_of(provider)
    used = {
        id(_rule_for(table, event)[0])
        for each in CASES[provider]
        for event in table.body(as_bytes(each.body))
    }
    unused = [rule.written for rules in table.rules.values() for rule in rules if id(rule) not in used]
    assert unused == []
