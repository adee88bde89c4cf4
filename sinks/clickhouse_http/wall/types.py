"""No state of an aggregate function is made from bytes that a reader sends.

The engine takes a state apart without mistrust: one that was forged kept a merge busy for ever, and KILL did
nothing. States come out of tables and of `…State()`; from text only a cast makes one, a query parameter, or the
table function `format`. So these name their types and formats in plain words, and none of them is such a type.
"""

# ruff: noqa: SIM905 - long lists of words read better as text than as one string a line

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from sinks.clickhouse_http.wall.refused import Refused

_CASTS = frozenset({"cast", "accuratecast", "accuratecastornull", "accuratecastordefault"})
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})
_STATE = re.compile(r"(?<!simple)aggregatefunction", re.IGNORECASE)

# Formats of text whose columns' types are not in the data.
_TEXT_FORMATS = frozenset(
    """
    csv csvwithnames jsonasobject jsonasstring jsoncolumns jsoncompactcolumns jsoncompacteachrow
    jsoncompacteachrowwithnames jsoncompactstringseachrow jsoncompactstringseachrowwithnames jsoneachrow
    jsonl jsonlines jsonobjecteachrow jsonstringseachrow lineasstring ndjson rawblob tabseparated
    tabseparatedraw tabseparatedrawwithnames tabseparatedwithnames tskv tsv tsvraw tsvrawwithnames
    tsvwithnames values
    """.split()
)


@dataclass(slots=True)
class _Bracket:
    """What is open at some place in the text: of a call of a cast, its name and its second argument so far."""

    cast: str | None
    commas: int = 0
    kind: list[Token] = field(default_factory=list)


def check_types(tokens: Sequence[Token]) -> None:
    """Check the types of casts, and of query parameters.

    Raises:
        Refused: a type is not in plain words, or one of a state.
    """
    opened = [_Bracket(None)]
    for index, token in enumerate(tokens):
        within = opened[-1]
        if token.token_type in _CLOSING:
            if within.cast:
                _check_cast(within)
            if len(opened) > 1:
                opened.pop()
        elif token.token_type is TokenType.COMMA:
            within.commas += 1
        elif within.commas == 1 and within.cast:
            within.kind.append(token)
        if token.token_type in _OPENING:
            name = tokens[index - 1].text if index else ""
            called = token.token_type is TokenType.L_PAREN and name.lower() in _CASTS
            opened.append(_Bracket(name if called else None))
        elif token.token_type is not TokenType.STRING and _STATE.fullmatch(token.text):
            raise Refused("the type of a state can't be named outside of a text")


def _check_cast(call: _Bracket) -> None:
    if len(call.kind) != 1 or call.kind[0].token_type is not TokenType.STRING or "\\" in call.kind[0].text:
        raise Refused(f"{call.cast} to a type that is not written out in plain words")
    _check_type(call.kind[0].text)


def check_format(arguments: Sequence[exp.Expression]) -> None:
    """Check the table function `format`, by its arguments: a format, perhaps columns and types, and the data.

    Raises:
        Refused: the format is none of text, or something in it is not written out.
    """
    if not arguments or arguments[0].name.lower() not in _TEXT_FORMATS:
        raise Refused(
            "the table function format reads a format of text only, and one without types in the data"
        )
    for argument in arguments[1:]:
        if not isinstance(argument, exp.Literal):
            raise Refused("the table function format takes text that is written out, and nothing computed")
    if len(arguments) > 2:
        _check_type(arguments[1].name)
        if "\\" in arguments[1].name:
            raise Refused("the columns of the table function format must be in plain words")


def _check_type(text: str) -> None:
    if _STATE.search(text):
        raise Refused("the state of an aggregate function can't be made from text")
