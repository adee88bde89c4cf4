"""What a PromQL expression asks for, held against the catalogue of metrics."""

import re
from collections.abc import Iterator

from streams.metrics import Histogram, catalogue

ADDED_BY_PROMETHEUS = {"instance", "job", "le"}

SUFFIXES = ("_bucket", "_sum", "_count")

OTHERS = {
    "up": (),
    **{f"process_{name}": () for name in ("resident_memory_bytes", "cpu_seconds_total", "open_fds")},
}
"""What Prometheus itself says of a target, and what prometheus-client says of every process."""

LABELS = {
    name: set(metric.labels)
    for metric in catalogue()
    for name in (
        [metric.name + suffix for suffix in SUFFIXES] if isinstance(metric, Histogram) else [metric.name]
    )
}

_SERIES = re.compile(r"\b((?:mailwake|process)_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")


def complaints(expression: str) -> Iterator[str]:
    """Every metric and label that does not exist."""
    known: set[str] = set()
    for name, matchers in _SERIES.findall(expression):
        if name not in LABELS and name not in OTHERS:
            yield f"no metric {name}"
            continue
        known |= LABELS.get(name, set())
        for label in _MATCHER.findall(matchers):
            if label not in LABELS.get(name, set()) | ADDED_BY_PROMETHEUS:
                yield f"{name} has no label {label}"
    for labels in _BY.findall(expression):
        for label in filter(None, re.split(r"[,\s]+", labels)):
            if label not in known | ADDED_BY_PROMETHEUS:
                yield f"nothing here has a label {label}"
