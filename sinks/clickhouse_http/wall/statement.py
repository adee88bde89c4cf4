"""The way through the wall: a statement by its kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot.tokenizer_core import Token, TokenType

from sinks.clickhouse_http.wall.calls import check_tokens
from sinks.clickhouse_http.wall.clauses import (
    PLAIN_NAME,
    may_change_settings,
    settings,
    with_identifiers,
    without_format,
)
from sinks.clickhouse_http.wall.lists import SYSTEM_TABLES, check_system_table
from sinks.clickhouse_http.wall.refused import Refused
from sinks.clickhouse_http.wall.tokens import tokenized
from sinks.clickhouse_http.wall.tree import check_query
from sinks.clickhouse_http.wall.types import check_types

# What `SHOW …` may go on with. All of them read system tables only.
_SHOWN = frozenset(
    {"tables", "databases", "columns", "indexes", "functions", "settings", "clusters", "cluster", "engines"}
    | {"dictionaries", "full", "extended", "changed", "create"}
)
_SHOW_CREATE = frozenset({"table", "view", "database", "dictionary"})
_EXPLAINED = frozenset({"ast", "syntax", "query", "tree", "plan", "pipeline", "estimate"})
_STATEMENTS = "SELECT, WITH, SHOW, DESCRIBE, EXISTS and EXPLAIN"


@dataclass(frozen=True, slots=True)
class Approved:
    """A statement that may run: its text without the FORMAT clause and the settings after that.

    `settings` are all that its SETTINGS clauses say, still to be checked and applied before the connection goes
    read-only: the engine accepts the clause then, since it changes nothing any more.
    """

    text: str
    format: str | None
    settings: Mapping[str, str]
    only_system_settings: bool = False


def check(
    canonical: str, *, database: str = "default", identifiers: Mapping[str, str] | None = None
) -> Approved:
    """Approve a statement, or refuse it.

    Args:
        canonical: the statement as ClickHouse's formatQuery prints it.
        database: where tables without a database are looked up.
        identifiers: values of query parameters; those of type Identifier are put into the text.

    Raises:
        Refused: with the part of the statement that is not allowed.
    """
    if "\0" in canonical:
        raise Refused("a statement can't hold a NUL byte")
    text = with_identifiers(canonical, identifiers or {})
    tokens = tokenized(text)
    if not tokens:
        raise Refused(f"there is no statement; {_STATEMENTS} are allowed")
    check_tokens(tokens)
    check_types(tokens)
    body, format_name = without_format(text, tokens)
    tables = _check_statement(body, tokenized(body), database.lower())
    only_system_settings = tables == {"system.settings"} and not may_change_settings(tokens)
    return Approved(body, format_name, settings(tokens), only_system_settings)


def _check_statement(body: str, tokens: Sequence[Token], database: str) -> set[str]:
    """Check the statement by its kind; the tables it reads, as far as they are in the `system` database."""
    words = [token.text.lower() for token in tokens]
    kind = words[0]
    if kind in {"select", "with", "("}:
        return check_query(body, database)
    if kind == "explain":
        return check_query(body[_explained_query(tokens) :], database)
    if kind == "describe":
        at = 2 if words[1:2] == ["table"] else 1
        if at >= len(tokens):
            raise Refused("DESCRIBE needs a table")
        return check_query(f"SELECT * FROM {body[tokens[at].start :]}", database)
    if kind == "exists":
        _check_names(tokens[1:], database)
        return set()
    if kind == "show":
        if "processlist" in words:
            raise Refused("SHOW PROCESSLIST is not allowed: it shows the texts of others' queries")
        if words[1:2] == ["create"]:
            if not _SHOW_CREATE.issuperset(words[2:3]):
                raise Refused(f"SHOW CREATE {' '.join(words[2:3]).upper()} is not allowed")
        elif words[1:2] == [] or words[1] not in _SHOWN:
            raise Refused(f"SHOW {' '.join(words[1:2]).upper()} is not allowed")
        if {"where", "select"} & set(words):
            raise Refused("SHOW … WHERE is not allowed: use LIKE, or SELECT from the system table")
        _check_names(tokens[1:], database)
        return set()
    raise Refused(f"{kind.upper()} is not allowed: only {_STATEMENTS} are")


def _explained_query(tokens: Sequence[Token]) -> int:
    """Where the query of an EXPLAIN begins: after its kind and `name = value` pairs."""
    at = 1
    while at < len(tokens) and tokens[at].text.lower() in _EXPLAINED:
        at += 1
    while at + 2 < len(tokens) and tokens[at + 1].token_type is TokenType.EQ:
        at += 3
        if at < len(tokens) and tokens[at].token_type is TokenType.COMMA:
            at += 1
    if at >= len(tokens) or tokens[at].text.lower() not in {"select", "with", "("}:
        raise Refused("EXPLAIN is allowed for queries only")
    return tokens[at].start


def _check_names(tokens: Sequence[Token], database: str) -> None:
    """For statements that only name things: names must be plain ones, unqualified ones not hidden in `system`."""
    for token in tokens:
        if token.token_type is TokenType.IDENTIFIER and not PLAIN_NAME.match(token.text):
            raise Refused(f"{token.text!r} is not a plain name")
    if database == "system" and tokens and tokens[-1].token_type is not TokenType.STRING:
        name = tokens[-1].text
        if name.lower() not in SYSTEM_TABLES | _SHOWN:
            check_system_table(name)
