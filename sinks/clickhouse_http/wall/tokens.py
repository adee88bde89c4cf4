"""A canonical statement as tokens."""

# ruff: noqa: SIM905 - long lists of words read better as text than as one string a line

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import ClassVar

from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from sinks.clickhouse_http.wall.refused import Refused

KEYWORDS = frozenset(
    """
    all and any anti apply array as asof between by case columns cube distinct else except exists
    explain filter from global group grouping having ilike in inner intersect interpolate is join
    left like limit materialized not offset on or order outer over partition prewhere qualify
    recursive replace right rollup sample select semi sets table then to union using when where with
    """.split()
)
"""Words that stand in front of a parenthesis without being a function's name."""

MOST_TOKENS = 40_000
"""More are refused: checking them takes seconds. A list of 20,000 values fits."""

_PARAMETER = re.compile(r"\{\w+:(?:[\w(), =-]|'[\w/+:. -]*')+\}", re.ASCII)


class _Tokenizer(ClickHouse.Tokenizer):
    """ClickHouse's tokens all the way: sqlglot would take what follows SHOW or EXPLAIN as one string."""

    COMMANDS: ClassVar[set[TokenType]] = set()


def tokenized(text: str) -> list[Token]:
    """The tokens of a text, which has no comments in it, and nothing but plain types in its query parameters.

    Raises:
        Refused: it is no such text, or too long.
    """
    try:
        tokens = _Tokenizer(dialect=ClickHouse()).tokenize(text)
    except SqlglotError as error:
        raise Refused(f"the statement can't be read: {error}") from error
    if len(tokens) > MOST_TOKENS:
        raise Refused(f"the statement has {len(tokens)} words and signs; {MOST_TOKENS} are the most")
    if any(token.comments for token in tokens):
        raise Refused("comments are not allowed in a canonical statement")
    for token in tokens:
        if token.token_type is TokenType.L_BRACE and not _PARAMETER.match(text, token.start):
            raise Refused(
                "a query parameter must be {name:Type}, the type without comments and quoting other than of "
                f"plain words: {text[token.start : token.start + 60]!r}"
            )
    return tokens


def windows(tokens: Sequence[Token]) -> Iterator[tuple[Token | None, Token, Token | None]]:
    """Each token with its neighbours, without what stands in braces: a parameter's name and type."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.token_type is TokenType.L_BRACE:
            depth += 1
        elif token.token_type is TokenType.R_BRACE:
            depth -= 1
        elif depth == 0:
            before = tokens[index - 1] if index else None
            after = tokens[index + 1] if index + 1 < len(tokens) else None
            yield before, token, after


def is_name(token: Token) -> bool:
    """Whether the token could be read as a name: anything but literals and punctuation."""
    if token.token_type in {TokenType.STRING, TokenType.NUMBER}:
        return False
    return token.token_type is TokenType.IDENTIFIER or bool(re.match(r"[^\W\d]", token.text))


def is_apply(before: Token | None, token: Token, after: Token | None) -> bool:
    """Whether this is the word of `* APPLY sum` or `* APPLY x -> f(x)`, rather than a name."""
    if (
        token.text.upper() != "APPLY"
        or token.token_type is TokenType.IDENTIFIER
        or after is None
        or before is None
    ):
        return False
    behind = before.token_type in {TokenType.STAR, TokenType.R_PAREN} or (
        is_name(before) and before.text.lower() not in KEYWORDS
    )
    return behind and (is_name(after) or after.token_type is TokenType.L_PAREN)


def begins_of_lambdas(tokens: Sequence[Token]) -> set[int]:
    """Where the `x` of each `x -> …` starts."""
    return {first.start for first, then in pairwise(tokens) if then.token_type is TokenType.ARROW}
