"""The second wall: which statements may reach the engine at all.

The first is the engine's own `readonly`, which was seen to let through `INTO OUTFILE`, the scalar
`file('/etc/passwd')`, `KILL QUERY`, a second statement after a semicolon, and to create files for `sqlite(…)`.
So this wall lists what is allowed, and refuses everything that it does not recognise.

Two parsers that read a text differently are a hole. Here they can't: what is checked is the *canonical* text that
ClickHouse's own parser prints for a statement (`formatQuery`: no comments, no heredocs, plain quoting, one
statement), and exactly what was checked is executed. A text with comments in it is not canonical, and refused. Only
the types of query parameters are printed as they were written, comments included: they must be plain.

`statement` is the way in. It has `calls` go over the tokens first (every name in front of a parenthesis is on the
list of functions, whatever clause it stands in; every `system.x` is on the list of system tables), then `tree` over
sqlglot's tree (it is one query; table functions and table names in it are allowed; it is of a size that the
engine can plan). `types` keeps forged states of aggregate functions out. `tokens` and `clauses` take the text apart, `lists` says what is allowed.
"""

from sinks.clickhouse_http.wall.refused import Refused
from sinks.clickhouse_http.wall.statement import Approved, check

__all__ = ["Approved", "Refused", "check"]
