"""The topics as mailwake declares them: what each keeps, and the key its records go under."""

from streams.log import Retention, Topic

DAY_MS = 86_400_000


def declared(partitions: int, kept_days: int | None = None) -> tuple[Topic, ...]:
    """The topics, those whose records go by a key that spreads made with so many partitions.

    `documents` has one partition whatever the number: of two copies of a report the first told stays, and only one
    partition has a first. It and dead letters are compacted: a copy that somebody was erased from takes the place of
    the record that it stands in for. What the warehouse is filled from is kept for ever, so that a warehouse that was
    lost is filled again from the log alone; or, of mail events and buckets, which are many, what was recorded in
    `kept_days`.
    """
    kept = Retention(max_age_ms=None if kept_days is None else kept_days * DAY_MS)
    return (
        Topic("documents", retention=Retention(compacted=True)),
        Topic("documents.outcomes"),
        Topic("mail.events", partitions, kept, spreads=True),
        Topic("mail.classified", partitions, kept, spreads=True),
        Topic("suppressions.evidence", partitions, spreads=True),
        Topic("suppressions", partitions, Retention(compacted=True), spreads=True),
        Topic("dmarc.records"),
        Topic(
            "reputation.deltas", partitions, Retention(max_age_ms=7 * DAY_MS, since_append=True), spreads=True
        ),
        Topic("reputation.buckets", partitions, kept, spreads=True),
        Topic("reputation.scores", partitions, Retention(compacted=True), spreads=True),
        Topic("dead.letters", retention=Retention(compacted=True)),
        Topic("tail.places", retention=Retention(compacted=True)),
    )


TOPICS = declared(1)
"""The embedded default: one partition each."""

SHADOW = "@"
"""Between a topic's name and a generation's number: what a rebuild emits, unseen by anyone else."""


def shadow(topic: str, generation: int) -> str:
    """The topic that a rebuild into this generation emits to in place of `topic`."""
    return f"{topic}{SHADOW}{generation}"


def plain(topic: str) -> str:
    """The topic that a shadow stands for; a plain topic is its own."""
    return topic.partition(SHADOW)[0]
