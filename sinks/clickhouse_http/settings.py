"""Which settings a client may change, and how far; they are applied before the connection goes read-only."""

# ruff: noqa: SIM905 - long lists of words read better as text than as one string a line

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sinks.clickhouse_http.errors import BAD_ARGUMENTS, SETTING_CONSTRAINT_VIOLATION, ClickHouseError
from sinks.literals import quoted

_MIB = 1024 * 1024

# ClickHouse's default. The engine looks for the time limit, and for KILL, between blocks.
_BLOCK_ROWS = 65_409
_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one query may use. A client may ask for less, never for more.

    Times in seconds, sizes in bytes. `concurrent` queries run at once; another waits up to `queue_seconds` for its
    turn, then fails with TOO_MANY_SIMULTANEOUS_QUERIES. A statement has `body_seconds` to arrive, and a client that
    takes nothing of its result for `stalled_seconds` loses it. A query has half of the machine's processors, so that the
    pipeline goes on beside it.
    """

    seconds: int = 60
    memory: int = 400 * _MIB
    result_rows: int = 10_000_000
    threads: int = max(1, (os.cpu_count() or 2) // 2)
    query_bytes: int = _MIB
    concurrent: int = 4
    queue_seconds: float = 10.0
    body_seconds: float = 30.0
    stalled_seconds: float = 60.0

    def ceilings(self) -> dict[str, int]:
        """The settings that hold the limits, with the most that a client may set them to."""
        return {
            "max_execution_time": self.seconds,
            "max_memory_usage": self.memory,
            "max_result_rows": self.result_rows,
            "max_threads": self.threads,
            "max_block_size": _BLOCK_ROWS,
        }


# Taken for what they are, and of no effect on what the engine may do.
_CHANGEABLE = frozenset(
    """
    aggregate_functions_null_for_empty any_join_distinct_right_table_keys bool_false_representation
    bool_true_representation cast_keep_nullable cast_string_to_dynamic_use_inference data_type_default_nullable
    date_time_input_format date_time_output_format date_time_overflow_behavior distinct_overflow_mode
    do_not_merge_across_partitions_select_final enable_analyzer empty_result_for_aggregation_by_empty_set
    except_default_mode extremes final format_csv_delimiter format_csv_null_representation
    format_tsv_null_representation group_by_overflow_mode group_by_use_nulls intersect_default_mode
    interval_output_format join_default_strictness join_use_nulls limit max_bytes_to_read
    max_columns_to_read max_result_bytes max_rows_to_group_by max_rows_to_read offset
    optimize_move_to_prewhere optimize_read_in_order optimize_skip_unused_shards prefer_column_name_to_alias
    prefer_global_in_and_join read_overflow_mode result_overflow_mode session_timezone
    timeout_overflow_mode totals_mode transform_null_in union_default_mode
    """.split()
)
_PREFIX = "output_format_"
_NOT_OF_THE_PREFIX = frozenset({"output_format_schema"})

# What the HTTP interface takes itself, or what servers take and means nothing here.
TRANSPORT = frozenset(
    """
    add_http_cors_header buffer_size cancel_http_readonly_queries_on_client_close client_protocol_version
    compress database decompress default_format enable_http_compression http_headers_progress_interval_ms
    http_max_tries http_native_compression_disable_checksumming_on_decompress http_receive_timeout
    http_send_timeout http_write_exception_in_output_format http_zlib_compression_level idempotent log_comment
    log_queries network_compression_method network_zstd_compression_level password priority query query_id
    quota_key readonly role send_progress_in_http_headers session_check session_id session_timeout stacktrace
    user wait_end_of_query
    """.split()
)

# What drivers send along with a query although it is about inserts. For a reader it means nothing.
_OF_INSERTS = frozenset({"async_insert", "wait_for_async_insert"})

_NAME = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The SET statement of a query's own connection."""

    values: Mapping[str, str] = field(default_factory=dict)

    def statement(self, *, readonly: int) -> str:
        """SQL that applies the settings; `readonly` comes last and ends all changing."""
        pairs = [f"{name} = {quoted(value)}" for name, value in self.values.items()]
        return "SET " + ", ".join([*pairs, f"readonly = {readonly}"])


def reading(asked: Mapping[str, str], limits: QueryLimits, comment: str) -> SessionSettings:
    """The settings of a reading connection.

    Args:
        asked: what the request and the statement's SETTINGS clauses ask for.
        limits: what a query may use.
        comment: `log_comment`, by which the query is found again among system.processes.

    Raises:
        ClickHouseError: a setting that is not on the list, or beyond its limit.
    """
    values = {name: str(most) for name, most in limits.ceilings().items()}
    values |= {
        "result_overflow_mode": "throw",
        "timeout_overflow_mode": "throw",
        "max_query_size": str(limits.query_bytes * 4),
        "max_bytes_before_external_group_by": "0",
        "max_bytes_before_external_sort": "0",
        "max_bytes_ratio_before_external_group_by": "0",
        "max_bytes_ratio_before_external_sort": "0",
        "max_bytes_ratio_before_external_distinct": "0",
        "max_bytes_ratio_before_external_join": "0",
        "max_temporary_data_on_disk_size_for_query": "1",
        "allow_introspection_functions": "0",
        "implicit_select": "0",
        "log_comment": comment,
    }
    for name, value in asked.items():
        if name not in TRANSPORT | _OF_INSERTS:
            values[name] = _allowed(name, value, limits)
    return SessionSettings(values)


def _allowed(name: str, value: str, limits: QueryLimits) -> str:
    most = limits.ceilings().get(name)
    if most is not None:
        if not value.isdecimal() or len(value) > _LONGEST_NUMBER:
            raise ClickHouseError.of(BAD_ARGUMENTS, f"Setting {name} must be a whole number, not {value!r}")
        if int(value) == 0 or int(value) > most:
            raise ClickHouseError.of(
                SETTING_CONSTRAINT_VIOLATION,
                f"Setting {name} shouldn't be greater than {most}, and is {value}",
            )
        return value
    listed = name in _CHANGEABLE or (name.startswith(_PREFIX) and name not in _NOT_OF_THE_PREFIX)
    if not listed or not _NAME.match(name):
        raise ClickHouseError.of(
            SETTING_CONSTRAINT_VIOLATION,
            f"Setting {name} is not on the list of those that can be changed here",
        )
    return value


def writing(asked: Mapping[str, str], comment: str) -> SessionSettings:
    """The settings of a connection that may write: whatever the holder of the token asks for."""
    values = {"implicit_select": "0", "log_comment": comment}
    for name, value in asked.items():
        if name not in TRANSPORT:
            if not _NAME.match(name):
                raise ClickHouseError.of(BAD_ARGUMENTS, f"{name!r} is not the name of a setting")
            values[name] = value
    return SessionSettings(values)
