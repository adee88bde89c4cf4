"""The parts of a statement that don't run as they are: identifiers from parameters, SETTINGS, and FORMAT."""

import re
from collections.abc import Mapping, Sequence

from sqlglot.tokenizer_core import Token, TokenType

from sinks.clickhouse_http.wall.refused import Refused
from sinks.clickhouse_http.wall.tokens import tokenized

PLAIN_NAME = re.compile(r"\w+\Z")
"""A name that needs no quoting, and so is no path."""


def with_identifiers(text: str, values: Mapping[str, str]) -> str:
    """Put parameters of type Identifier in, so that the names they stand for are checked like any other.

    Raises:
        Refused: a value is missing, or not a plain name.
    """
    tokens = tokenized(text)
    spans: list[tuple[int, int, str]] = []
    for index, token in enumerate(tokens):
        if token.token_type is TokenType.L_BRACE and index + 4 < len(tokens):
            name, colon, kind, end = tokens[index + 1 : index + 5]
            if colon.token_type is TokenType.COLON and kind.text.lower() == "identifier":
                if end.token_type is not TokenType.R_BRACE:
                    raise Refused(f"the type of parameter {name.text} is more than Identifier")
                value = values.get(name.text, "")
                if not PLAIN_NAME.match(value):
                    raise Refused(f"parameter {name.text} is not a plain name: {value!r}")
                spans.append((token.start, end.end + 1, f"`{value}`"))
    return replaced(text, spans)


def replaced(text: str, spans: Sequence[tuple[int, int, str]]) -> str:
    """The text with something else in each span (start, end, replacement); they come in order, without overlap."""
    out: list[str] = []
    at = 0
    for start, end, replacement in spans:
        out += [text[at:start], replacement]
        at = end
    return "".join([*out, text[at:]])


def without_format(text: str, tokens: Sequence[Token]) -> tuple[str, str | None]:
    """Split `… FORMAT x [SETTINGS …]` off the end."""
    for index in range(len(tokens) - 2, 0, -1):
        token, name = tokens[index : index + 2]
        last = index + 2 == len(tokens)
        if token.token_type is TokenType.FORMAT and (
            last or tokens[index + 2].token_type is TokenType.SETTINGS
        ):
            return text[: token.start].rstrip(), name.text
    return text, None


def settings(tokens: Sequence[Token]) -> dict[str, str]:
    """All that `SETTINGS a = 1, b = 'x'` says, anywhere in the statement.

    A setting without a value (`SETTINGS a`) is not found: it can't be told from a table of that name. The engine
    refuses it as long as the connection is read-only.

    Raises:
        Refused: two values for one setting, or one that can't be right.
    """
    found: dict[str, str] = {}
    for index, token in enumerate(tokens):
        if token.token_type is TokenType.SETTINGS:
            at = index + 1
            while at + 2 < len(tokens) and tokens[at + 1].token_type is TokenType.EQ:
                name, value = tokens[at], tokens[at + 2]
                if value.text == "-" and at + 3 < len(tokens):
                    raise Refused(f"the setting {name.text} has a negative value")
                if found.setdefault(name.text, value.text) != value.text:
                    raise Refused(f"the setting {name.text} has two values in one statement")
                at += 3
                if at >= len(tokens) or tokens[at].token_type is not TokenType.COMMA:
                    break
                at += 1
    return found


def may_change_settings(tokens: Sequence[Token]) -> bool:
    """Whether there is a SETTINGS clause, as far as words tell: `settings` more often than the one table is named.

    It matters where the engine does not refuse one (`readonly = 2`).
    """
    return sum(token.text.lower() == "settings" for token in tokens) > 1
