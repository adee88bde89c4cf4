"""What sqlglot's tree tells of a query: that it is one, which tables it reads, and how large a plan it makes."""

import logging
import re
from collections.abc import Sequence

from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from sinks.clickhouse_http.wall.clauses import PLAIN_NAME, replaced
from sinks.clickhouse_http.wall.lists import TABLE_FUNCTIONS, check_system_table
from sinks.clickhouse_http.wall.refused import Refused
from sinks.clickhouse_http.wall.size import check_size
from sinks.clickhouse_http.wall.tokens import is_apply, tokenized, windows
from sinks.clickhouse_http.wall.types import check_format

# It tells of every index of an array that it counts from 0 in its tree, which is nobody's to act on.
logging.getLogger("sqlglot").setLevel(logging.WARNING)

_LITERAL_LIMIT = re.compile(r"LIMIT \d+(, \d+)?(?!\d|,| BY)( +WITH TIES)?")


def check_query(sql: str, database: str) -> set[str]:
    """Check a SELECT; the tables it reads, qualified and in lower case.

    Args:
        sql: canonical, without FORMAT.
        database: where tables without one are looked up, in lower case.

    Raises:
        Refused: sqlglot can't read it, or it reads what is not allowed, or it is too large.
    """
    tree = _parsed(sql)
    check_size(tree)
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


def _parsed(sql: str) -> exp.Query:
    try:
        trees = ClickHouse().parse(_simplified(sql))
    except (SqlglotError, RecursionError) as error:
        raise Refused(f"the query can't be checked, so it can't run: {_one_line(error)}") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise Refused("one query at a time, please")
    return trees[0]


def _simplified(sql: str) -> str:
    """Take out of a query what sqlglot can't read and what holds nothing to check.

    `APPLY f` becomes another column; `LIMIT 5, 10 WITH TIES` next to a LIMIT BY goes if it is of literals only,
    and so does `COLLATE 'en'`.
    """
    cuts: list[tuple[int, int, str]] = []
    for before, token, after in windows(tokenized(sql)):
        if is_apply(before, token, after):
            cuts.append((token.start, token.end + 1, ","))
        elif token.token_type is TokenType.COLLATE and after is not None:
            if after.token_type is TokenType.STRING:
                cuts.append((token.start, after.end + 1, ""))
        elif token.token_type is TokenType.LIMIT:
            match = _LITERAL_LIMIT.match(sql, token.start)
            if match is not None:
                cuts.append((*match.span(), ""))
    return replaced(sql, cuts)


def _checked_table(table: exp.Table, database: str) -> str:
    if isinstance(table.this, exp.Func):
        name = table.this.sql("clickhouse").partition("(")[0].strip('`"').lower()
        if name not in TABLE_FUNCTIONS:
            raise Refused(f"the table function {name} is not on the list of those that are allowed")
        if name == "format":
            check_format([table.this.this, *table.this.expressions])
        return f"{name}()"
    return _checked_name([part.name for part in table.parts], database)


def _checked_name(parts: Sequence[str], database: str) -> str:
    """Check what may be a table's name (`x IN name` is one, too, if no column is called so); return it in full."""
    for part in parts:
        if not PLAIN_NAME.match(part):
            raise Refused(f"{part!r} is not a plain table name")
    schema = parts[-2].lower() if len(parts) > 1 else database
    if schema == "system":
        check_system_table(parts[-1])
    return f"{schema}.{parts[-1].lower()}"


def _one_line(error: BaseException) -> str:
    """What sqlglot says, without colours and line ends."""
    text = re.sub(r"\x1b\[\d*m", "", str(error))
    return " ".join(text.split())[:300]
