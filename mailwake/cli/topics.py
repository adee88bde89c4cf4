"""`mailwake topics`: the topics of a log in Kafka, compared with what is declared, and made so."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from streams.kafka.plan import Plan, Planned, Topics

app = typer.Typer(
    no_args_is_help=True, help="The topics of a log in Kafka: partitions, retention, durability."
)

AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


@app.command()
def plan(as_json: AsJson = False) -> None:
    """What there is, and what apply would make or alter; changes nothing.

    Exit code 0: nothing to do; 1: there is something to apply; 3: apply would refuse.
    """
    from mailwake.cli.failures import NOT_SO, REFUSED

    with _topics() as topics:
        found = topics.plan()
    _show(found, as_json, "planned")
    raise typer.Exit(REFUSED if found.refusals else NOT_SO if found.changes else 0)


@app.command()
def apply(as_json: AsJson = False) -> None:
    """Make the topics that are missing and set what differs; what is as declared stays untouched.

    Refuses, changing nothing, where a topic's partitions would have to change: that takes a copy of the log.
    """
    from mailwake.cli.failures import REFUSED, CommandFailed

    with _topics() as topics:
        found = topics.plan()
        if found.refusals:
            raise CommandFailed("\n".join(found.refusals), REFUSED)
        topics.apply(found)
    _show(found, as_json, "applied")


@contextmanager
def _topics() -> "Iterator[Topics]":
    from mailwake.opening import kafka_cluster
    from mailwake.settings import SettingsError, is_kafka, load_settings
    from streams.kafka.log import TIMEOUT_S
    from streams.kafka.plan import Topics
    from streams.topics import declared

    settings = load_settings()
    if not is_kafka(settings.log):
        raise SettingsError(
            f"the log {settings.log} is in SQLite, whose topics make themselves: nothing to plan or apply. For a log in "
            "Kafka set MAILWAKE_LOG=kafka://HOST:PORT"
        )
    insist = "kafka_partitions" in settings.model_fields_set
    with Topics(
        kafka_cluster(settings),
        declared(settings.kafka_partitions, settings.kafka_kept_days),
        insist,
        TIMEOUT_S,
    ) as topics:
        yield topics


def _show(found: "Plan", as_json: bool, what: str) -> None:
    from mailwake.cli.output import print_json, print_line, print_table

    if as_json:
        for topic in found.topics:
            print_json(_as_json(topic))
        return
    columns = ("topic", "partitions", "replicas", what)
    rows = [(t.topic, str(t.partitions), str(t.replicas), t.action) for t in found.topics]
    print_table(None, columns, rows)
    for topic in found.topics:
        for change in topic.changes:
            print_line(f"{topic.topic}: {change.setting} {change.found} -> {change.declared}")
        for name, value in (topic.theirs or {}).items():
            print_line(f"{topic.topic}: {name}={value} is not declared, and left as it is")
    for words in (*found.refusals, *(topic.note for topic in found.topics if topic.note)):
        print_line(words)
    if what == "planned" and not found.refusals:
        count = len(found.changes)
        print_line(f"{count} to make or alter: mailwake topics apply" if count else "nothing to do")


def _as_json(topic: "Planned") -> dict[str, Any]:
    return {
        "topic": topic.topic,
        "action": topic.action,
        "exists": topic.exists,
        "partitions": topic.partitions,
        "replicas": topic.replicas,
        "changes": {c.setting: {"found": c.found, "declared": c.declared} for c in topic.changes},
        "undeclared": dict(topic.theirs or {}),
        "refused": topic.refused,
        "note": topic.note,
    }
