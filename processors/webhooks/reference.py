"""Writes the tables of docs/webhooks.md: `python -m processors.webhooks.reference`, from providers/*.toml."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from processors.webhooks.tables import PROVIDERS, RECORDS, Rule, Table, table_of

PAGE = Path(__file__).parent.parent.parent / "docs" / "webhooks.md"
BEGIN = (
    "<!-- From here on made by `python -m processors.webhooks.reference`; a test fails when it differs. -->"
)
SIDE_BY_SIDE = 4
"""Providers in a table of the overview."""


def page(written: str) -> str:
    """The page with its tables made anew; what stands before them stays as somebody wrote it."""
    head, begin, _ = written.partition(BEGIN)
    if not begin:
        raise ValueError(f"{PAGE} lacks the line after which its tables go: {BEGIN}")
    return head + "\n".join((BEGIN, *_tables())) + "\n"


def _tables() -> Iterator[str]:
    tables = [table_of(provider) for provider in PROVIDERS]
    yield from ("", "## Side by side", "")
    yield "Each provider's words for what our records say. A star: under conditions, which its own table below gives."
    for start in range(0, len(tables), SIDE_BY_SIDE):
        yield from _overview(tables[start : start + SIDE_BY_SIDE])
    yield from ("", "## Each provider's table", "")
    yield (
        "A path leads into the event (`@`: into each recipient it names); the first that says something counts. "
        "`as` names how a value is read. Fields that a record does not have are left out of it."
    )
    for table in tables:
        yield from _provider(table)


def _overview(tables: list[Table]) -> Iterator[str]:
    yield ""
    yield f"| | {' | '.join(table.title for table in tables)} |"
    yield f"| --- |{' --- |' * len(tables)}"
    for name in (*RECORDS, None):
        cells = [_cell(table, name) for table in tables]
        yield f"| {name or '(passed over)'} | {' | '.join(cells)} |"


def _cell(table: Table, name: str | None) -> str:
    told: dict[str, str] = {}
    for rule in _rules(table):
        if rule.written.get("record") == name:
            star = "\\*" if "when" in rule.written else ""
            told.update({kind: f"`{kind}`{star}" for kind in rule.types if kind not in told})
    return ", ".join(told.values()) or "–"


def _rules(table: Table) -> list[Rule]:
    """Each once, in the order they are tried."""
    return list({id(rule): rule for rules in table.rules.values() for rule in rules}.values())


def _provider(table: Table) -> Iterator[str]:
    yield from ("", f"### {table.title}: what each event becomes", "")
    yield f"By [its documentation]({table.source}). The type stands in `{table.type_path}`. {_identity(table)}"
    yield from ("", "| type | where | becomes | with | why |", "| --- | --- | --- | --- | --- |")
    for rule in _rules(table):
        kinds = ", ".join(f"`{kind}`" for kind in rule.types)
        record = rule.written.get("record", "(passed over)")
        yield f"| {kinds} | {_conditions(rule.written.get('when', {}))} | {record} | {_with(rule)} | {rule.why} |"
    yield from ("", "| field of every record that has it | from |", "| --- | --- |")
    yield from (f"| `{name}` | `{spec}` |" for name, spec in table.fields.items() if spec)
    yield from _words(
        "The provider's word, where the server's codes are not given", "enhanced_code", table.categories
    )
    yield from _words("Dropped, where the reason holds", "reason", dict(table.reasons))
    listed = {part: why for part, why in table.lists if why}
    yield from _words("Dropped, where the reason holds", "listed_for", listed)


def _identity(table: Table) -> str:
    first, otherwise = table.id_written
    text = f"Its id: {'the hash of ' if table.is_hashed else ''}{_listed(first)}"
    if otherwise:
        text += f"; where that is missing, {_listed(otherwise)}"
    return text + "; an event without any goes by the hash of all it says."


def _listed(parts: tuple[str, ...]) -> str:
    names = {"@type": "the type", "@recipient": "the recipient's hash", "@time": "the time in ms"}
    return ", ".join(names.get(part) or f"`{part.removesuffix('?')}`" for part in parts)


def _conditions(when: Mapping[str, Any]) -> str:
    return "; ".join(f"`{path}` {_wanted(value)}" for path, value in when.items())


def _wanted(value: Any) -> str:
    if isinstance(value, list):
        verb = "holds" if all(str(each).startswith("~") for each in value) else "is"
        return f"{verb} " + " or ".join(f"`{str(each).removeprefix('~')}`" for each in value)
    if value == "!":
        return "is missing"
    if isinstance(value, str) and value.startswith("~"):
        return f"holds `{value[1:]}`"
    return f"is `{str(value).lower() if isinstance(value, bool) else value}`"


def _with(rule: Rule) -> str:
    own = [
        f"{name} = {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in rule.constants.items()
    ]
    own += [f"{name}: `{spec}`" for name, spec in rule.written.get("fields", {}).items() if spec]
    return "; ".join(own)


def _words(title: str, becomes: str, words: Mapping[str, str]) -> Iterator[str]:
    if words:
        yield from ("", f"| {title} | {becomes} |", "| --- | --- |")
    for word, value in words.items():
        name = f"`{word}`" if word else "anything else"
        code = f"{value[:-1]}, where the response is not given either" if value.endswith("?") else value
        yield f"| {name} | {code} |"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
