"""Members of a group on a real broker: partitions are shared, given back, and kept for a name."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from streams.kafka.cluster import KafkaCluster
from streams.kafka.connection import Background
from streams.kafka.log import KafkaLog
from streams.kafka.membership import Member, Membership, _assignor
from streams.log import LogUnavailable, TopicPartition
from streams.running.seats import Seat, Seats
from streams.topics import declared

TOPIC, PARTITIONS = "mail.events", 4
ALL = {TopicPartition(TOPIC, number) for number in range(PARTITIONS)}
LONGEST_S = 60


class Nothing:
    """Work that there is none of."""

    def step(self) -> int:
        return 0

    def lag(self) -> int:
        return 0

    def lag_seconds(self) -> float:
        return 0.0

    def renew(self) -> bool:
        return True

    def close(self) -> None:
        pass


@dataclass
class One:
    """A member, and what it has."""

    background: Background
    seats: Seats
    membership: Membership
    gifts: list[set[TopicPartition]]

    @property
    def has(self) -> set[TopicPartition]:
        return set(self.seats._given)

    def leave(self) -> None:
        self.background.run(self.membership.leave())


Join = Callable[..., One]


@pytest.fixture
def join(cluster: KafkaCluster) -> Iterator[Join]:
    """Has somebody join the group."""
    KafkaLog.open(cluster, declared(PARTITIONS)).close()
    with ExitStack() as stack:

        def join_it(name: str | None = None) -> One:
            background = Background("member")
            stack.callback(background.close)
            seats = _Noting("count", take, ())
            membership = Membership(cluster, "count", [TOPIC], seats, Member(name, 6_000))
            one = One(background, seats, membership, seats.gifts)
            stack.callback(one.leave)
            background.run(membership.join())
            return one

        yield join_it


class _Noting(Seats):
    """Seats that note what they were given."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.gifts: list[set[TopicPartition]] = []

    def give(self, sources: object) -> None:
        super().give(sources)  # type: ignore[arg-type]
        self.gifts.append(set(sources))  # type: ignore[call-overload]


def take(source: TopicPartition) -> Seat:
    return Nothing()


def until(so: Callable[[], bool], *members: One) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not so():
        assert time.monotonic() < deadline, [one.gifts for one in members]
        time.sleep(0.05)


def test_members_share_the_partitions_and_what_one_leaves_the_others_get(join: Join) -> None:
    first = join()
    until(lambda: first.has == ALL, first)
    second = join()
    until(lambda: len(first.has) == len(second.has) == 2, first, second)
    assert first.has | second.has == ALL
    first.leave()
    until(lambda: second.has == ALL, first, second)


def test_who_comes_back_under_its_name_gets_the_same_and_nobody_else_notices(join: Join) -> None:
    one, two = join("one"), join("two")
    until(lambda: len(one.has) == len(two.has) == 2 and one.has | two.has == ALL, one, two)
    before, gifts = one.has, len(two.gifts)
    one.leave()
    again = join("one")
    until(lambda: bool(again.has), again, two)
    assert again.has == before
    assert len(two.gifts) == gifts and two.has == ALL - before


def test_what_fails_while_partitions_are_given_is_raised_by_the_next_step(join: Join) -> None:
    one = join()
    until(lambda: one.has == ALL, one)

    def fail(sources: object) -> None:
        raise ZeroDivisionError("a bug")

    one.seats.give = fail  # type: ignore[method-assign]
    other = join()
    until(lambda: len(other.has) == 2, one, other)
    until(lambda: one.seats._failure is not None, one, other)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        one.seats.step()


def test_a_broker_that_is_not_there_may_come_back() -> None:
    nowhere = KafkaCluster.of("kafka://127.0.0.1:1")
    background = Background("member")
    membership = Membership(nowhere, "count", [TOPIC], Seats("count", take, ()), Member())
    with pytest.raises(LogUnavailable, match=r"joining the group mailwake.count failed"):
        background.run(membership.join())
    background.run(membership.leave())
    background.close()


def shared_out(topics: dict[str, int], names: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """What members of these names get of each topic, by the assignor of a group that reads these topics."""
    assignor = _assignor(list(topics))
    cluster = SimpleNamespace(partitions_for_topic=lambda topic: set(range(topics[topic])))
    members = {name: assignor.metadata(list(topics)) for name in names}
    return {name: dict(given.assignment) for name, given in assignor.assign(cluster, members).items()}


def test_each_of_several_topics_is_spread_evenly_whatever_the_others_have() -> None:
    topics = {
        "documents": 1,
        "dmarc.reports": 1,
        "mail.events": 8,
        "reputation.buckets": 8,
        "dead.letters": 1,
    }
    for names in (["a", "b"], ["a", "b", "c"]):
        found = shared_out(topics, names)
        for topic, count in topics.items():
            parts = [len(found[name].get(topic, ())) for name in names]
            assert sum(parts) == count and max(parts) - min(parts) <= 1, (topic, found)
        together = [sum(map(len, one.values())) for one in found.values()]
        assert max(together) - min(together) <= 1


def test_what_one_group_of_a_process_has_is_not_what_another_one_keeps_to() -> None:
    one, another = _assignor(["mail.events"]), _assignor(["documents"])
    one.on_assignment(ConsumerProtocolMemberAssignment(0, [("mail.events", [0, 1])], b""))
    assert another.member_assignment is None and len(one.member_assignment) == 2
    assert one.name == another.name == "sticky"
