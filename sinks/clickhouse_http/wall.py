"""The second wall: which statements may reach the engine at all.

The first is the engine's own `readonly`, which was seen to let through `INTO OUTFILE`, the scalar
`file('/etc/passwd')`, `KILL QUERY`, a second statement after a semicolon, and to create files for `sqlite(…)`.
So this wall lists what is allowed, and refuses everything that it does not recognise.

Two parsers that read a text differently are a hole. Here they can't: what is checked is the *canonical* text that
ClickHouse's own parser prints for a statement (`formatQuery`: no comments, no heredocs, plain quoting, one
statement), and exactly what was checked is executed. A text with comments in it is not canonical, and refused. Only
the types of query parameters are printed as they were written, comments included: they must be plain.

The check goes over the tokens first (every name in front of a parenthesis is on the list of functions, whatever
clause it stands in; every `system.x` is on the list of system tables), then over sqlglot's tree (it is one
query; table functions and table names in it are allowed).
"""

# ruff: noqa: SIM905 - long lists of words read better as text than as one string a line

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

TABLE_FUNCTIONS = frozenset(
    {"format", "generate_series", "generateseries", "generaterandom", "null", "numbers", "numbers_mt"}
    | {"primes", "values", "view", "zeros", "zeros_mt"}
)
"""Table functions that read nothing but their arguments and, for `view`, a query that is checked as well."""

SYSTEM_TABLES = frozenset(
    """
    aggregate_function_combinators build_options clusters codecs collations columns completions
    contributors current_roles data_skipping_indices data_type_families database_engines databases
    dictionaries disks enabled_roles errors events formats functions keywords licenses
    merge_tree_settings merges metrics mutations numbers numbers_mt one parts parts_columns
    processes projection_parts projections quotas replicas roles row_policies settings
    settings_profiles storage_policies table_engines table_functions tables time_zones
    view_refreshes warnings zeros zeros_mt
    """.split()
)
"""Tables of `system` that clients ask for and that hold nothing secret."""

# What `SHOW …` may go on with. All of them read system tables only.
_SHOWN = frozenset(
    {"tables", "databases", "columns", "indexes", "functions", "settings", "clusters", "cluster", "engines"}
    | {"dictionaries", "processlist", "full", "extended", "changed", "create"}
)
_SHOW_CREATE = frozenset({"table", "view", "database", "dictionary"})
_EXPLAINED = frozenset({"ast", "syntax", "query", "tree", "plan", "pipeline", "estimate"})

# Words that stand in front of a parenthesis without being a function's name.
_KEYWORDS = frozenset(
    """
    all and any anti apply array as asof between by case columns cube distinct else except exists
    explain filter from global group grouping having ilike in inner intersect interpolate is join
    left like limit materialized not offset on or order outer over partition prewhere qualify
    recursive replace right rollup sample select semi sets table then to union using when where with
    """.split()
)

# https://clickhouse.com/docs/sql-reference/aggregate-functions/combinators
_COMBINATORS = tuple(
    """
    SimpleState State Merge MergeState If Array Map ForEach Distinct OrDefault OrNull Resample ArgMin ArgMax
    Null Tuple
    """.split()
)

_LITERAL_LIMIT = re.compile(r"LIMIT \d+(, \d+)?(?!\d|,| BY)( +WITH TIES)?")
_PARAMETER = re.compile(r"\{\w+:(?:[\w(), =-]|'[\w/+:. -]*')+\}", re.ASCII)
_PLAIN_NAME = re.compile(r"\w+\Z")
_STATEMENTS = "SELECT, WITH, SHOW, DESCRIBE, EXISTS and EXPLAIN"


class _Tokenizer(ClickHouse.Tokenizer):
    """ClickHouse's tokens all the way: sqlglot would take what follows SHOW or EXPLAIN as one string."""

    COMMANDS: ClassVar[set[TokenType]] = set()


class Refused(Exception):
    """The statement is not on the list of what is allowed; the message says which part of it."""


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
    text = _with_identifiers(canonical, identifiers or {})
    tokens = _tokens(text)
    if not tokens:
        raise Refused(f"there is no statement; {_STATEMENTS} are allowed")
    _check_tokens(tokens)
    body, format_name = _without_format(text, tokens)
    settings = _settings(text, tokens)
    tables = _check_statement(body, _tokens(body), database.lower())
    return Approved(body, format_name, settings, tables == {"system.settings"})


def _tokens(text: str) -> list[Token]:
    try:
        tokens = _Tokenizer(dialect=ClickHouse()).tokenize(text)
    except SqlglotError as error:
        raise Refused(f"the statement can't be read: {error}") from error
    if any(token.comments for token in tokens):
        raise Refused("comments are not allowed in a canonical statement")
    for token in tokens:
        if token.token_type is TokenType.L_BRACE and not _PARAMETER.match(text, token.start):
            raise Refused(
                "a query parameter must be {name:Type}, the type without comments and quoting other than of "
                f"plain words: {text[token.start : token.start + 60]!r}"
            )
    return tokens


def _with_identifiers(text: str, values: Mapping[str, str]) -> str:
    """Put parameters of type Identifier in, so that the names they stand for are checked like any other."""
    tokens = _tokens(text)
    spans: list[tuple[int, int, str]] = []
    for index, token in enumerate(tokens):
        if token.token_type is TokenType.L_BRACE and index + 4 < len(tokens):
            name, colon, kind, end = tokens[index + 1 : index + 5]
            if colon.token_type is TokenType.COLON and kind.text.lower() == "identifier":
                value = values.get(name.text, "")
                if not _PLAIN_NAME.match(value):
                    raise Refused(f"parameter {name.text} is not a plain name: {value!r}")
                spans.append((token.start, end.end + 1, f"`{value}`"))
    for start, end_at, replacement in reversed(spans):
        text = text[:start] + replacement + text[end_at:]
    return text


def _check_tokens(tokens: Sequence[Token]) -> None:
    """What can be said without a tree, and so for every statement and clause alike."""
    for before, token, after in _windows(tokens):
        word = token.text.lower()
        quoted = token.token_type is TokenType.IDENTIFIER
        if token.token_type is TokenType.SEMICOLON:
            raise Refused("one statement at a time")
        if word in {"into", "outfile", "infile"} and token.token_type is not TokenType.STRING and not quoted:
            raise Refused(
                "INSERT INTO and INTO OUTFILE are not allowed: nothing is written without the token"
            )
        if word == "parallel" and not quoted and after is not None and after.text.lower() == "with":
            raise Refused("PARALLEL WITH is not allowed")
        if _is_apply(before, token, after) and after is not None and not _begins_lambda(tokens, after):
            if after.token_type is TokenType.L_PAREN:
                raise Refused("APPLY with parentheses is not canonical")
            _check_function(after.text)
        if after is not None and after.token_type is TokenType.L_PAREN and _is_name(token):
            aliased = before is not None and before.text.lower() == "as"
            if quoted or not (aliased or _KEYWORDS.issuperset(word.split())):
                _check_function(token.text)
    for index in range(len(tokens) - 2):
        first, dot, name = tokens[index : index + 3]
        if dot.token_type is TokenType.DOT and first.text.lower() == "system" and _is_name(name):
            _check_system_table(name.text)


def _windows(tokens: Sequence[Token]) -> Iterator[tuple[Token | None, Token, Token | None]]:
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


def _is_name(token: Token) -> bool:
    """Whether the token could be read as a name: anything but literals and punctuation."""
    if token.token_type in {TokenType.STRING, TokenType.NUMBER}:
        return False
    return token.token_type is TokenType.IDENTIFIER or bool(re.match(r"[^\W\d]", token.text))


@cache
def _functions() -> tuple[frozenset[str], frozenset[str]]:
    """The names (lower case) of functions that are allowed, and of those looked at and refused."""
    lists = json.loads(files(__package__).joinpath("functions.json").read_text())
    return frozenset(map(str.lower, lists["allowed"])), frozenset(map(str.lower, lists["refused"]))


def _check_function(name: str) -> None:
    allowed, refused = _functions()
    if name.lower() in refused or not _known(name, allowed | TABLE_FUNCTIONS):
        raise Refused(f"the function {name} is not on the list of functions that are allowed")


def _known(name: str, allowed: frozenset[str]) -> bool:
    """Whether this is an allowed function, or an aggregate function with combinators after its name."""
    if name.lower() in allowed:
        return True
    return any(
        name.endswith(suffix) and _known(name.removesuffix(suffix), allowed)
        for suffix in _COMBINATORS
        if len(name) > len(suffix)
    )


def _check_system_table(name: str) -> None:
    if name.lower() not in SYSTEM_TABLES:
        raise Refused(f"system.{name} is not on the list of system tables that are allowed")


def _without_format(text: str, tokens: Sequence[Token]) -> tuple[str, str | None]:
    """Split `… FORMAT x [SETTINGS …]` off the end."""
    for index in range(len(tokens) - 2, 0, -1):
        token, name = tokens[index : index + 2]
        last = index + 2 == len(tokens)
        if token.token_type is TokenType.FORMAT and (
            last or tokens[index + 2].token_type is TokenType.SETTINGS
        ):
            return text[: token.start].rstrip(), name.text
    return text, None


def _settings(text: str, tokens: Sequence[Token]) -> dict[str, str]:
    """All that `SETTINGS a = 1, b = 'x'` says, anywhere in the statement."""
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


def _check_statement(body: str, tokens: Sequence[Token], database: str) -> set[str]:
    """Check the statement by its kind; the tables it reads, as far as they are in the `system` database."""
    words = [token.text.lower() for token in tokens]
    kind = words[0]
    if kind in {"select", "with", "("}:
        return _check_query(body, database)
    if kind == "explain":
        return _check_query(body[_explained_query(tokens) :], database)
    if kind == "describe":
        at = 2 if words[1:2] == ["table"] else 1
        if at >= len(tokens):
            raise Refused("DESCRIBE needs a table")
        return _check_query(f"SELECT * FROM {body[tokens[at].start :]}", database)
    if kind == "exists":
        _check_names(tokens[1:], database)
        return set()
    if kind == "show":
        if words[1:2] == ["create"]:
            if words[2] not in _SHOW_CREATE:
                raise Refused(f"SHOW CREATE {words[2].upper()} is not allowed")
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
        if token.token_type is TokenType.IDENTIFIER and not _PLAIN_NAME.match(token.text):
            raise Refused(f"{token.text!r} is not a plain name")
    if database == "system" and tokens and tokens[-1].token_type is not TokenType.STRING:
        name = tokens[-1].text
        if name.lower() not in SYSTEM_TABLES | _SHOWN:
            _check_system_table(name)


def _check_query(sql: str, database: str) -> set[str]:
    """Check a SELECT with sqlglot; the tables it reads, qualified and in lower case."""
    tree = _parse(sql)
    tables: set[str] = set()
    for node in tree.walk():
        if isinstance(node, exp.Command | exp.DDL | exp.DML | exp.Into) and not isinstance(node, exp.Query):
            raise Refused(f"{node.key.upper()} is not allowed inside of a query")
        if isinstance(node, exp.Table):
            tables.add(_checked_table(node, database))
        if isinstance(node, exp.In):
            for name in (node.args.get("field"), *node.expressions):
                if isinstance(name, exp.Column):
                    _checked_name([part.name for part in name.parts], database)
    return tables


def _parse(sql: str) -> exp.Query:
    try:
        trees = ClickHouse().parse(_simplified(sql))
    except (SqlglotError, RecursionError) as error:
        raise Refused(f"the query can't be checked, so it can't run: {_one_line(error)}") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise Refused("one query at a time, please")
    return trees[0]


def _is_apply(before: Token | None, token: Token, after: Token | None) -> bool:
    """Whether this is the word of `* APPLY sum` or `* APPLY x -> f(x)`, rather than a name."""
    if (
        token.text.upper() != "APPLY"
        or token.token_type is TokenType.IDENTIFIER
        or after is None
        or before is None
    ):
        return False
    behind = before.token_type in {TokenType.STAR, TokenType.R_PAREN} or (
        _is_name(before) and before.text.lower() not in _KEYWORDS
    )
    return behind and (_is_name(after) or after.token_type is TokenType.L_PAREN)


def _begins_lambda(tokens: Sequence[Token], name: Token) -> bool:
    return any(first is name and then.token_type is TokenType.ARROW for first, then in pairwise(tokens))


def _simplified(sql: str) -> str:
    """Take out of a query what sqlglot can't read and what holds nothing to check.

    `APPLY f` becomes another column; `LIMIT 5, 10 WITH TIES` next to a LIMIT BY goes if it is of literals only,
    and so does `COLLATE 'en'`.
    """
    tokens = _tokens(sql)
    cuts: list[tuple[int, int, str]] = []
    for before, token, after in _windows(tokens):
        if _is_apply(before, token, after):
            cuts.append((token.start, token.end + 1, ","))
        elif token.token_type is TokenType.COLLATE and after is not None:
            if after.token_type is TokenType.STRING:
                cuts.append((token.start, after.end + 1, ""))
        elif token.token_type is TokenType.LIMIT:
            match = _LITERAL_LIMIT.match(sql, token.start)
            if match is not None:
                cuts.append((*match.span(), ""))
    for start, end, replacement in reversed(cuts):
        sql = sql[:start] + replacement + sql[end:]
    return sql


def _checked_table(table: exp.Table, database: str) -> str:
    if isinstance(table.this, exp.Func):
        name = table.this.sql("clickhouse").partition("(")[0].strip('`"').lower()
        if name not in TABLE_FUNCTIONS:
            raise Refused(f"the table function {name} is not on the list of those that are allowed")
        return f"{name}()"
    return _checked_name([part.name for part in table.parts], database)


def _checked_name(parts: Sequence[str], database: str) -> str:
    """Check what may be a table's name (`x IN name` is one, too, if no column is called so); return it in full."""
    for part in parts:
        if not _PLAIN_NAME.match(part):
            raise Refused(f"{part!r} is not a plain table name")
    schema = parts[-2].lower() if len(parts) > 1 else database
    if schema == "system":
        _check_system_table(parts[-1])
    return f"{schema}.{parts[-1].lower()}"


def _one_line(error: BaseException) -> str:
    """What sqlglot says, without colours and line ends."""
    text = re.sub(r"\x1b\[\d*m", "", str(error))
    return " ".join(text.split())[:300]
