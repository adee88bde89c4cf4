"""Topics as code: how the topics of a log in Kafka differ from what is declared, and making them so.

Changed are settings that are declared. Left alone are an operator's settings beyond these, the number of replicas
(that moves data between brokers: Kafka has a tool for it), and the number of partitions (that would put keys elsewhere
than what was folded of them: a log is copied instead).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from streams.kafka import origin as kafka_origin
from streams.kafka import topics as kafka_topics
from streams.kafka.cluster import KafkaCluster
from streams.kafka.connection import Background, Connection
from streams.kafka.reader import Reader
from streams.kafka.topics import STATE, Wanted
from streams.log import Topic

Action = Literal["make", "alter", "keep", "refuse"]


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that is not as declared."""

    setting: str
    found: str | None
    declared: str


@dataclass(frozen=True, slots=True)
class Planned:
    """One topic: what there is, and what applying the plan does to it."""

    topic: str
    """Kafka's name of it."""
    partitions: int
    """As they are; where there is no topic yet, as it will be made."""
    replicas: int
    exists: bool
    changes: tuple[Change, ...] = ()
    theirs: Mapping[str, str] | None = None
    """Settings that the topic has and nobody declared: left as they are."""
    refused: str | None = None
    """Why its partitions can't be what is asked for, and the way out."""
    note: str | None = None
    """What is not as it would be made, and is not changed here."""

    @property
    def action(self) -> Action:
        """What applying does; a topic that is refused keeps the whole plan from being applied."""
        if self.refused:
            return "refuse"
        return ("alter" if self.changes else "keep") if self.exists else "make"


@dataclass(frozen=True, slots=True)
class Plan:
    """Every topic of a log."""

    topics: tuple[Planned, ...]

    @property
    def refusals(self) -> list[str]:
        """Why it can't be applied; empty when it can."""
        return [topic.refused for topic in self.topics if topic.refused]

    @property
    def changes(self) -> list[Planned]:
        """What applying makes or alters."""
        return [topic for topic in self.topics if topic.action in ("make", "alter")]


class Topics:
    """The topics of a log in Kafka, looked at from outside: use it as a context manager.

    `insist` is whether topics that spread have to have the number of partitions that they are declared with; else that
    number is only for topics that are made.
    """

    def __init__(
        self, cluster: KafkaCluster, topics: Sequence[Topic], insist: bool, timeout_s: float
    ) -> None:
        self._declared, self._insist = topics, insist
        self._connection = Connection(cluster, timeout_s)
        self._background = Background("mailwake-topics")
        self._reader = Reader(self._background, self._connection)

    def plan(self) -> Plan:
        """What there is and what would change; changes nothing. Raises LogError, LogUnavailable."""
        return self._background.run(self._plan())

    def apply(self, plan: Plan) -> None:
        """Make and alter what the plan says, and remember what topics were made with. Raises LogError, LogUnavailable."""
        self._background.run(self._apply(plan))

    def __enter__(self) -> Self:
        try:
            self._background.run(self._connection.start())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.run(self._connection.close())
        self._background.close()

    async def _plan(self) -> Plan:
        connection = self._connection
        await connection.until_done("asking for the topics", connection.refresh)
        facts = await kafka_origin.facts_of(connection, self._reader)
        counts = kafka_origin.remembered(connection, facts)
        every = kafka_topics.wanted(connection.cluster, self._declared)
        changelogs = connection.cluster.our_state_topics(connection.topics())
        every += [Wanted(name, connection.known_partitions(name), STATE) for name in changelogs]
        return Plan(tuple([await self._planned(topic, counts.get(topic.name)) for topic in every]))

    async def _planned(self, topic: Wanted, made_with: int | None) -> Planned:
        connection = self._connection
        found = connection.known_partitions(topic.name)
        if not found:
            replicas = kafka_topics.replicas_of(connection)
            return Planned(topic.name, made_with or topic.partitions, replicas, exists=False)
        has = connection.replicas(topic.name)
        settings = await kafka_topics.settings(connection, topic.name)
        declared = {**topic.settings, "min.insync.replicas": kafka_topics.least_in_sync(has)}
        changes = tuple(
            Change(name, settings[name].value if name in settings else None, value)
            for name, value in declared.items()
            if name not in settings or not kafka_topics.same(settings[name].value, value)
        )
        theirs = {
            name: setting.value or ""
            for name, setting in settings.items()
            if setting.own and name not in declared
        }
        refused = self._refused(topic, made_with, found)
        # Unless a number is set, a broker that is down now is no reason to want fewer.
        asked = connection.cluster.replicas or max(has, kafka_topics.replicas_of(connection))
        note = None if has == asked else _replicas_differ(connection, topic.name, has, asked)
        return Planned(topic.name, found, has, True, changes, theirs, refused, note)

    def _refused(self, topic: Wanted, made_with: int | None, found: int) -> str | None:
        connection = self._connection
        name = connection.cluster.named(topic.name) or topic.name
        if topic.spreads:
            if made_with not in (None, found):
                return kafka_origin.grown(connection, name, made_with or 0, found)
            if self._insist and found != topic.partitions:
                return (
                    f"topic {name} has {found} partitions, and MAILWAKE_KAFKA_PARTITIONS is {topic.partitions}: in place that "
                    "would put keys elsewhere than what was folded of them. Leave the setting out to keep what there is. "
                    + kafka_origin.way_out(connection, topic.partitions)
                )
            return None
        if found != topic.partitions:
            return kafka_origin.misplaced(connection, name, topic.partitions, found)
        return None

    async def _apply(self, plan: Plan) -> None:
        connection = self._connection
        for topic in plan.topics:
            if topic.action == "alter":
                changed = {change.setting: change.declared for change in topic.changes}
                await kafka_topics.alter(connection, topic.topic, changed)
        await kafka_origin.opened(connection, self._reader, self._declared)


def _replicas_differ(connection: Connection, topic: str, found: int, wanted: int) -> str:
    servers = ",".join(connection.cluster.servers)
    return (
        f"topic {topic} has {found} replicas of each partition, and would be made with {wanted}: not changed here, since it "
        f"moves data between brokers. kafka-reassign-partitions.sh --bootstrap-server {servers} does it; then apply again, "
        "for min.insync.replicas"
    )
