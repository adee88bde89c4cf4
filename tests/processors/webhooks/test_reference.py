"""docs/webhooks.md is what the tables say."""

import pytest

from processors.webhooks.reference import PAGE, page
from processors.webhooks.tables import PROVIDERS, table_of


def test_the_page_is_made_from_the_tables() -> None:
    assert PAGE.read_text("utf-8") == page(PAGE.read_text("utf-8")), "python -m processors.webhooks.reference"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_it_names_every_type_and_its_source(provider: str) -> None:
    table, text = table_of(provider), PAGE.read_text("utf-8")
    assert table.source in text
    assert [kind for kind in table.rules if f"`{kind}`" not in text] == []


def test_a_page_without_the_place_for_its_tables() -> None:
    with pytest.raises(ValueError, match="lacks the line"):
        page("# Webhooks")
