"""What is allowed: functions, table functions and tables of `system`, each by its name."""

# ruff: noqa: SIM905 - long lists of words read better as text than as one string a line

import json
from functools import cache
from importlib.resources import files

from sinks.clickhouse_http.wall.refused import Refused

TABLE_FUNCTIONS = frozenset(
    {"format", "generate_series", "generateseries", "generaterandom", "null", "numbers", "numbers_mt"}
    | {"primes", "values", "view", "zeros", "zeros_mt"}
)
"""Table functions that read nothing but their arguments and, for `view`, a query that is checked as well."""

SYSTEM_TABLES = frozenset(
    """
    aggregate_function_combinators build_options clusters codecs collations columns completions
    contributors current_roles data_skipping_indices data_type_families database_engines databases
    dictionaries disks enabled_roles events formats functions keywords licenses
    merge_tree_settings merges metrics mutations numbers numbers_mt one parts parts_columns
    projection_parts projections quotas replicas roles row_policies settings
    settings_profiles storage_policies table_engines table_functions tables time_zones
    view_refreshes warnings zeros zeros_mt
    """.split()
)
"""Tables of `system` that clients ask for and that hold nothing secret.

`processes` and `errors` are not among them: they show the texts of others' queries.
"""

# https://clickhouse.com/docs/sql-reference/aggregate-functions/combinators
_COMBINATORS = tuple(
    """
    SimpleState State Merge MergeState If Array Map ForEach Distinct OrDefault OrNull Resample ArgMin ArgMax
    Null Tuple
    """.split()
)


@cache
def _functions() -> tuple[frozenset[str], frozenset[str]]:
    """The names (lower case) of functions that are allowed, and of those looked at and refused."""
    lists = json.loads(files(__package__).joinpath("functions.json").read_text())
    return frozenset(map(str.lower, lists["allowed"])), frozenset(map(str.lower, lists["refused"]))


def check_function(name: str) -> None:
    """Raise Refused if this is no function on the list, nor one with an aggregate function's combinators."""
    allowed, refused = _functions()
    if name.lower() in refused or not _known(name, allowed | TABLE_FUNCTIONS):
        raise Refused(f"the function {name} is not on the list of functions that are allowed")


def _known(name: str, allowed: frozenset[str]) -> bool:
    if name.lower() in allowed:
        return True
    return any(
        name.endswith(suffix) and _known(name.removesuffix(suffix), allowed)
        for suffix in _COMBINATORS
        if len(name) > len(suffix)
    )


def check_system_table(name: str) -> None:
    """Raise Refused if this is no table of `system` that is on the list."""
    if name.lower() not in SYSTEM_TABLES:
        raise Refused(f"system.{name} is not on the list of system tables that are allowed")
