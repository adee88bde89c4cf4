"""Writes the reference of metrics: `python -m streams.metrics_reference` makes docs/metrics.md from the catalogue."""

import sys
from collections.abc import Iterator
from pathlib import Path

from streams.metrics import Histogram, catalogue

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"

_HEAD = """# Metrics and health

Made by `python -m streams.metrics_reference` from `streams/metrics.py`; a test holds that they agree.

`mailwake up`, `mailwake worker` and `mailwake intake` serve four pages on 127.0.0.1:9464 (`MAILWAKE_METRICS_HOST`, `MAILWAKE_METRICS_PORT`; 0: none), and so does `mailwake tail --metrics-port PORT`:

| page | says |
| --- | --- |
| `/metrics` | all that is below, and `process_…` (memory, CPU, files of the process), for Prometheus |
| `/healthz` | 503 when a stage has input and has made no progress for `MAILWAKE_STALL_SECONDS` (120), with JSON: which stage, since when, how many records wait, what it waits for. Paused stages are named and never red. For who looks after it |
| `/livez` | the same, 503 only when such a stage waits for nobody: a restart brings no broker and no server back. For who restarts processes; a worker ends by itself then |
| `/readyz` | 503 as long as the log or the warehouse are not open, do not answer, or a stage waits for them. For who sends traffic |

No page asks log or warehouse, which may be away just then. Threads look every second, in a worker every 5 s, and the
pages say what they have found; a part that takes longer than 5 s to answer is not ready.

    curl -s http://127.0.0.1:9464/healthz

Progress is a step that dealt with records, or that there is none to deal with. A thread that runs, or a step that came
back with nothing while records wait, is none.

[deploy/prometheus](../deploy/prometheus) has a scrape configuration and alert rules,
[deploy/grafana](../deploy/grafana) two dashboards; "Symptom, metric, what to do" is in
[reliability.md](reliability.md). Counters begin at zero when the process starts, and are shown from then on. The values
of a label are few and known: no domain, address or tenant is ever one.

## Every metric
"""


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "| metric | type | labels | |"
    yield "| --- | --- | --- | --- |"
    for metric in catalogue():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"
    yield ""
    yield "Of a histogram there are `_bucket` (label `le`: up to), `_sum` and `_count`. Their bounds:"
    yield ""
    for metric in catalogue():
        if isinstance(metric, Histogram):
            yield f"- `{metric.name}`: {', '.join(f'{bound:,}' for bound in metric.buckets)}"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
