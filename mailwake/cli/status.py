"""`mailwake status`, `pause` and `resume`: what the pipeline has done, and holding one stage back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mailwake.settings import Settings

STAGES = ("documents", "reputation", "classify", "suppress", "warehouse")


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def status(
    as_json: AsJson = False,
    partitions: Annotated[
        bool, typer.Option("--partitions", help="Every partition, on a log in Kafka.")
    ] = False,
) -> None:
    """Topics with their offsets and last event, stages with their lag, dead letters, paused stages."""
    from mailwake.cli.output import print_json, print_line, print_table
    from mailwake.opening import existing_log
    from mailwake.settings import is_kafka, load_settings
    from streams.running.pauses import Pauses

    settings = load_settings()
    if is_kafka(settings.log):
        _on_kafka(settings, as_json, partitions)
        return
    log = existing_log(settings)
    try:
        report = _report(log, Pauses.beside(settings.log_path).all())
    finally:
        log.close()
    if as_json:
        print_json(report)
        return
    topics = [
        (t["topic"], t["begin"], t["end"], t["records"], t["bytes"], t["last_event"] or "")
        for t in report["topics"]
    ]
    print_table("Topics", ("topic", "begin", "end", "records", "bytes", "last appended"), topics)
    print_line()
    stages = [
        (s["stage"], s["topic"], s["position"], s["lag"], "paused" if s["paused"] else "")
        for s in report["stages"]
    ]
    print_table("Stages", ("stage", "reads", "position", "lag", ""), stages)
    print_line(f"\nDead letters: {report['dead_letters']:,}")


def _on_kafka(settings: "Settings", as_json: bool, partitions: bool) -> None:
    from mailwake.cli.output import print_json, print_line
    from mailwake.worker.status import worker_status

    report = worker_status(settings)
    if as_json:
        print_json(report)
        return
    print_line(conclusion(report))
    print_line()
    show = _by_partition if partitions else _together
    show(report)


def conclusion(report: Mapping[str, Any]) -> str:
    """What `worker_status` comes to: whether everything is done, else how much waits for which stage."""
    waiting = report["waiting"]
    if not waiting:
        return "Everything is done: nothing waits for any stage."
    told = ", ".join(f"{stage} {records:,}" for stage, records in waiting.items())
    return f"About {sum(waiting.values()):,} records wait for workers: {told}."


def _together(report: Mapping[str, Any]) -> None:
    from mailwake.cli.output import print_line, print_table

    print_table("Stages", ("stage", "reads", "partitions", "waiting"), stage_rows(report["stages"]))
    print_line()
    topics: dict[str, list[int]] = {}
    for one in report["topics"]:
        topics.setdefault(one["topic"], []).append(one["end"] - one["begin"])
    rows = [(topic, len(kept), sum(kept)) for topic, kept in topics.items()]
    print_table("Topics", ("topic", "partitions", "offsets"), rows)
    print_line("\nEach transaction takes an offset too. Every partition: mailwake status --partitions")


def stage_rows(stages: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int, int]]:
    """A row for each stage: what it reads, of how many partitions, and how many offsets wait on them all."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for one in stages:
        grouped.setdefault(one["stage"], []).append(one)
    rows = []
    for stage, parts in grouped.items():
        topics = list(dict.fromkeys(one["topic"] for one in parts))
        reads = topics[0] if len(topics) == 1 else f"{len(topics)} topics"
        rows.append((stage, reads, len(parts), sum(one["lag"] for one in parts)))
    return rows


def _by_partition(report: Mapping[str, Any]) -> None:
    from mailwake.cli.output import print_line, print_table

    topics = [(t["topic"], t["partition"], t["begin"], t["end"]) for t in report["topics"]]
    print_table("Topics", ("topic", "partition", "begin", "end"), topics)
    print_line()
    stages = partition_rows(report)
    print_table("Stages", ("stage", "reads", "partition", "position", "waiting"), stages)


def partition_rows(report: Mapping[str, Any]) -> list[tuple[str, str, int, int, int]]:
    """A row for each stage and partition. Where only markers of transactions follow, it is at the end."""
    ends = {(one["topic"], one["partition"]): one["end"] for one in report["topics"]}
    return [
        (
            one["stage"],
            one["topic"],
            one["partition"],
            one["position"] if one["lag"] else ends.get((one["topic"], one["partition"]), one["position"]),
            one["lag"],
        )
        for one in report["stages"]
    ]


def _report(log: Any, paused: Sequence[str]) -> dict[str, Any]:
    stats = log.stats()
    ends = {s.source: s.end for s in stats}
    return {
        "log": log.id,
        "topics": [
            {
                "topic": s.source.topic,
                "partition": s.source.partition,
                "begin": s.begin,
                "end": s.end,
                "records": s.records,
                "bytes": s.bytes,
                "last_event": _iso(s.last_timestamp),
            }
            for s in stats
        ],
        "stages": [
            {
                "stage": group,
                "topic": source.topic,
                "position": offset,
                "lag": ends.get(source, offset) - offset,
                "paused": group.partition("@")[0] in paused,
            }
            for group in log.groups()
            for source, offset in sorted(log.committed(group).items())
        ],
        "dead_letters": sum(s.records for s in stats if s.source.topic == "dead.letters"),
        "paused": paused,
    }


def _iso(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def pause(
    stage: Annotated[str, typer.Argument(help="documents, reputation, classify, suppress or warehouse.")],
    as_json: AsJson = False,
) -> None:
    """Hold one stage back, in the running pipeline and after restarts, until `mailwake resume`."""
    from mailwake.cli.output import print_json, print_line

    pauses = _pauses(stage, "pause")
    was = pauses.paused(stage)
    pauses.pause(stage)
    if as_json:
        print_json({"stage": stage, "paused": True, "was_paused": was})
    else:
        print_line(f"{stage} is paused; its input waits in the log. To go on: mailwake resume {stage}")


def resume(stage: Annotated[str, typer.Argument(help="A paused stage.")], as_json: AsJson = False) -> None:
    """Let a paused stage go on."""
    from mailwake.cli.output import print_json, print_line

    was = _pauses(stage, "resume").resume(stage)
    if as_json:
        print_json({"stage": stage, "paused": False, "was_paused": was})
    else:
        print_line(f"{stage} goes on" if was else f"{stage} was not paused")


def _pauses(stage: str, command: str) -> Any:
    from mailwake.cli.embedded_only import embedded
    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.settings import load_settings
    from streams.running.pauses import Pauses

    settings = embedded(load_settings(), command)
    if stage not in STAGES:
        raise CommandFailed(f"no stage {stage}; there are {', '.join(STAGES)}", USAGE)
    return Pauses.beside(settings.log_path)
