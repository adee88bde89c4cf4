"""Every metric there is: its name, type, labels and meaning, in one place. docs/metrics.md is made from this.

Nothing is measured before somebody wants to see it: until `register` has given the metrics to a registry, recording
one costs a look at an attribute, and prometheus-client is not imported. A program that only emits and serves metrics
of its own hands over its registry: `streams.metrics.register(prometheus_client.REGISTRY)`.

Names follow Prometheus: base units (seconds, bytes), `_total` for what only grows. The values of a label are a small
set known beforehand (a stage, a topic, an outcome), never a domain, an address or a tenant: each is a time series for
ever. Shadow topics of a rebuild go by the topic that they stand for.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

RECORD_BUCKETS = (1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000)
SECOND_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

QUERY_OUTCOMES = ("answered", "wrong", "refused", "busy", "failed", "left")

APPEND_OUTCOMES = ("durable", "full", "failed")


class Metric:
    """What all kinds have in common. `values` are all that a label can be, where that is known here."""

    kind: ClassVar[str]

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:  # noqa: A002 - Prometheus' word
        self.name, self.help, self.labels = name, help, tuple(labels)
        self._live: Any = None

    def register(self, registry: "CollectorRegistry | None") -> None:
        """Record into this registry from now on; None: nowhere."""
        self._live = None if registry is None else self._made(registry)

    def begin(self, *labels: str) -> None:
        """Show this series from now on, at zero: an alert sees only what grows before its eyes."""
        if self._live is not None and self.labels:
            self._live.labels(*labels)

    def _made(self, registry: "CollectorRegistry") -> Any:
        raise NotImplementedError

    def _of(self, labels: Sequence[str]) -> Any:
        return self._live.labels(*labels) if self.labels else self._live


class Counter(Metric):
    """Only grows, from zero at the start of the process."""

    kind = "counter"

    def add(self, amount: float, *labels: str) -> None:
        """Count so much more."""
        if self._live is not None:
            self._of(labels).inc(amount)

    def _made(self, registry: "CollectorRegistry") -> Any:
        from prometheus_client import Counter as Live

        return Live(self.name, self.help, self.labels, registry=registry)


class Gauge(Metric):
    """What is so now."""

    kind = "gauge"

    def set(self, value: float, *labels: str) -> None:
        """It is this now."""
        if self._live is not None:
            self._of(labels).set(value)

    def _made(self, registry: "CollectorRegistry") -> Any:
        from prometheus_client import Gauge as Live

        return Live(self.name, self.help, self.labels, registry=registry)


class Histogram(Metric):
    """How often a value was how large: `_bucket`, `_sum` and `_count`."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002 - Prometheus' word
        labels: Sequence[str] = (),
        buckets: Sequence[float] = SECOND_BUCKETS,
    ) -> None:
        super().__init__(name, help, labels)
        self.buckets = tuple(buckets)

    def observe(self, value: float, *labels: str) -> None:
        """One more value."""
        if self._live is not None:
            self._of(labels).observe(value)

    @contextmanager
    def timing(self, *labels: str) -> Iterator[None]:
        """Observe how many seconds the block took, if it ends well."""
        begun = time.perf_counter()
        yield
        self.observe(time.perf_counter() - begun, *labels)

    def _made(self, registry: "CollectorRegistry") -> Any:
        from prometheus_client import Histogram as Live

        return Live(self.name, self.help, self.labels, registry=registry, buckets=self.buckets)


STAGE_LAG_RECORDS = Gauge(
    "mailwake_stage_lag_records",
    "Records that wait for the stage; the warehouse's loader is one as well. NaN when the log does not say.",
    ["stage"],
)
STAGE_LAG_SECONDS = Gauge(
    "mailwake_stage_lag_seconds",
    "Event time between the next record that the stage will take and the last one there is, in seconds; 0 when "
    "nothing waits. Of a record that can't be read, the time it was appended.",
    ["stage"],
)
STAGE_LAST_PROGRESS = Gauge(
    "mailwake_stage_last_progress_timestamp_seconds",
    "When the stage last dealt with records, had none waiting, or was paused (Unix time).",
    ["stage"],
)
STAGE_STALLED = Gauge(
    "mailwake_stage_stalled",
    "1 when records wait for the stage and it has made no progress for MAILWAKE_STALL_SECONDS: /healthz is red.",
    ["stage"],
)
STAGE_PAUSED = Gauge("mailwake_stage_paused", "1 while an operator holds the stage back.", ["stage"])
STAGE_PARTITIONS = Gauge(
    "mailwake_stage_partitions",
    "Partitions that this worker has been given of what the stage reads; of all workers together, all there are.",
    ["stage"],
)
TAKE_OVER_SECONDS = Histogram(
    "mailwake_take_over_seconds",
    "How long it takes to begin on a partition: the former owner is fenced and the state read from its changelog; of a "
    "fold, only restored: mailwake_recovery_seconds has the rest.",
    ["stage"],
)
RECOVERY_SECONDS = Histogram(
    "mailwake_recovery_seconds",
    "From being given partitions of a fold to having their state: the former owners are fenced, and Faust has read the "
    "changelog.",
    ["stage"],
)
READY = Gauge(
    "mailwake_ready",
    "1 when this part (log, warehouse) is open and usable: /readyz.",
    ["part"],
)

RECORDS_IN = Counter(
    "mailwake_records_in_total",
    "Records that a stage has dealt with, by the topic it read; durable with what came of them.",
    ["stage", "topic"],
)
RECORDS_OUT = Counter(
    "mailwake_records_out_total",
    "Records that a stage has appended, by topic. One of reputation.buckets holds many buckets.",
    ["stage", "topic"],
)
BATCH_RECORDS = Histogram("mailwake_batch_records", "Records in a step.", ["stage"], RECORD_BUCKETS)
PHASE_SECONDS = Histogram(
    "mailwake_step_phase_seconds",
    "How long the parts of a step take: read (from the log), take and flush (the stage itself), load (into the "
    "warehouse), write (the transaction in the log).",
    ["stage", "phase"],
)
WAITS = Counter(
    "mailwake_waits_total",
    "Steps that found a neighbour busy or absent and are tried again, with their work kept. Reasons: log_full, "
    "sink_full (no room on the disk of the log, of the warehouse), sink_busy (the warehouse is busy or away), "
    "folder_busy (a watched folder).",
    ["stage", "reason"],
)
DEAD_LETTERS = Counter(
    "mailwake_dead_letters_total",
    "Records that could not be understood: mailwake dead-letters list.",
    ["stage"],
)
DOCUMENTS = Counter(
    "mailwake_documents_total",
    "Documents, and what archives and mails held, by what became of them. Outcomes: parsed, partial (some of it was not "
    "understood), rejected (nothing was), duplicate, conflict, forgotten. The view documents says why of each.",
    ["outcome"],
)
REPEATS = Counter("mailwake_repeats_total", "Records told again and not counted again.", ["stage"])
LATE_ADDITIONS = Counter(
    "mailwake_late_additions_total",
    "Rows of counts that came after their bucket's horizon and were added under a part of their own.",
    ["stage"],
)
ROWS_LOADED = Counter(
    "mailwake_warehouse_rows_loaded_total", "Rows written to the warehouse, repeats included.", ["topic"]
)

TOPIC_END = Gauge(
    "mailwake_topic_end_offset",
    "How many records were ever appended to the topic, whoever did it: its rate is what comes in.",
    ["topic"],
)
TOPIC_BYTES = Gauge("mailwake_topic_bytes", "What the topic's records take in the log, in bytes.", ["topic"])
FREE_BYTES = Gauge(
    "mailwake_free_bytes", "Room left on the disk of the log and of the warehouse, in bytes.", ["part"]
)

EMITTER_APPENDS = Counter(
    "mailwake_emitter_appends_total",
    "Appends that this process' Emitter made, each of one or more emits. Outcomes: durable, full (no room), failed.",
    ["outcome"],
)
EMITTER_RECORDS = Counter(
    "mailwake_emitter_records_total", "Events that this process' Emitter has made durable.", ["topic"]
)
EMITTER_SECONDS = Histogram("mailwake_emitter_append_seconds", "How long it takes to make an append durable.")
SPOOL_RECORDS = Gauge(
    "mailwake_spool_records", "Records that wait in this process' spool for the log, whoever emitted them."
)
SPOOL_BYTES = Gauge("mailwake_spool_bytes", "What they take, in bytes; MAILWAKE_SPOOL_BYTES is the bound.")
SPOOL_REFUSED_RECORDS = Gauge(
    "mailwake_spool_refused_records",
    "Records that the log refused for good (too large, most likely) and that were set aside in the spool.",
)
SPOOL_DRAINED = Counter(
    "mailwake_spool_drained_total", "Records that this process has taken from its spool into the log."
)
SPOOL_FAILURES = Counter(
    "mailwake_spool_failures_total",
    "Attempts to drain the spool that failed and are made again: the log is away, most likely.",
)

QUERIES = Counter(
    "mailwake_queries_total",
    "Requests to ClickHouse's HTTP interface. Outcomes: answered, wrong (a mistake in the query), refused (not "
    "allowed, or no token), busy (no turn in time), failed (in the engine, or over its limits), left (the client went).",
    ["outcome"],
)
QUERY_SECONDS = Histogram(
    "mailwake_query_seconds", "From a request's head to the last byte of its answer.", ["outcome"]
)
QUERY_LATE_ERRORS = Counter(
    "mailwake_query_late_errors_total",
    "Answers that had begun and end with an error; they count as answered.",
)
CONNECTIONS_REFUSED = Counter(
    "mailwake_query_connections_refused_total", "Connections to the HTTP interface that found no place."
)

INTAKE_REQUESTS = Counter(
    "mailwake_intake_requests_total",
    "Requests to the HTTP intake, by route and the class of what was answered (2xx, 4xx, 5xx); `none` is no route of ours.",
    ["route", "status"],
)
INTAKE_BYTES = Counter("mailwake_intake_bytes_total", "Bytes of bodies that were kept, unpacked.", ["route"])
INTAKE_EVENTS = Counter(
    "mailwake_intake_events_total",
    "Events that POST /v1/events was given. Outcomes: taken, refused (named in the answer).",
    ["outcome"],
)
INTAKE_SIGNATURES_REFUSED = Counter(
    "mailwake_intake_signatures_refused_total",
    "Webhooks whose sender was not proved, by provider and reason; nothing of them was kept.",
    ["provider", "reason"],
)
INTAKE_IN_FLIGHT = Gauge("mailwake_intake_requests_in_flight", "Requests that are worked on now.")
INTAKE_APPEND_SECONDS = Histogram(
    "mailwake_intake_append_seconds",
    "From handing a request's records over to their being durable, in whatever append took them along.",
)

TAIL_LINES = Counter(
    "mailwake_tail_lines_total",
    "Lines of mail servers' logs that were dealt with. Outcomes: told (gave events), joined (kept for lines to come), "
    "noted (says nothing that an event could), skipped (of something else than mail on its way out), damaged (kept as a "
    "dead letter).",
    ["format", "outcome"],
)
TAIL_EVENTS = Counter(
    "mailwake_tail_events_total", "Events that lines of mail servers' logs gave.", ["format"]
)
TAIL_BEHIND = Gauge(
    "mailwake_tail_behind_bytes",
    "Bytes of the followed files that are not read yet; of packed files that do not say how much they hold, none.",
    ["format"],
)

BUILD_INFO = Gauge("mailwake_build_info", "Always 1; the version is in the label.", ["version"])


def catalogue() -> Sequence[Metric]:
    """Every metric, in the order of this file."""
    return [value for value in globals().values() if isinstance(value, Metric)]


def register(registry: "CollectorRegistry | None") -> None:
    """Measure into this registry from now on, from zero; None: measure no more. Raises ValueError for one that has them.

    Before what is measured is made: stages show their series when they are made.
    """
    for metric in catalogue():
        metric.register(registry)
    for outcome in QUERY_OUTCOMES:
        QUERIES.begin(outcome)
    for outcome in APPEND_OUTCOMES:
        EMITTER_APPENDS.begin(outcome)


def stage_of(worker: str) -> str:
    """The stage that a worker's name begins with: `watch` of `watch incoming`, `reputation` of `reputation/3`."""
    return re.split(r"[ /]", worker, maxsplit=1)[0]


def reason_of(error: Exception | type[Exception]) -> str:
    """An error that passes as a label: its class in small letters with underscores."""
    kind = error if isinstance(error, type) else type(error)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
