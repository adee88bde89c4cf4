"""How large a query may be: the engine plans some that it can't carry.

A few thousand tables in one join overflow the stack of the thread that plans it, which ends the whole engine; some
thousand grouping sets or windows take gigabytes before its memory limit is looked at. The limits here are far
above what people write, and far below that.
"""

from sqlglot import exp

from sinks.clickhouse_http.wall.refused import Refused

MOST_TABLES = 200
"""Tables and table functions in one query, its subqueries included."""

MOST_SELECTS = 500
"""SELECTs in one query: unions, subqueries and common table expressions."""

MOST_WINDOWS = 100
"""Window definitions in one query."""

MOST_GROUPING_SETS = 256
"""Grouping sets in one query; a CUBE of n keys makes 2 ** n of them."""


def check_size(query: exp.Query) -> None:
    """Raise Refused if the query has more of something than the engine can plan safely."""
    tables = selects = windows = grouping_sets = 0
    for node in query.walk():
        match node:
            case exp.Table():
                tables += 1
            case exp.Select():
                selects += 1
            case exp.Window():
                windows += 1
            case exp.Group():
                grouping_sets += _grouping_sets(node)
    for count, most, what in (
        (tables, MOST_TABLES, "tables"),
        (selects, MOST_SELECTS, "SELECTs"),
        (windows, MOST_WINDOWS, "windows"),
        (grouping_sets, MOST_GROUPING_SETS, "grouping sets"),
    ):
        if count > most:
            raise Refused(f"the query has {count} {what}; {most} are the most")


def _grouping_sets(group: exp.Group) -> int:
    """How many a GROUP BY makes, written in either way: `CUBE(a, b)` and `a, b WITH CUBE`."""
    count = 0
    for part in (*group.expressions, *(group.args.get("cube") or ()), *(group.args.get("rollup") or ())):
        keys = len(part.expressions) or len(group.expressions)
        match part:
            case exp.Cube():
                count += 2**keys
            case exp.Rollup():
                count += keys + 1
            case exp.GroupingSets():
                count += len(part.expressions)
    return count
