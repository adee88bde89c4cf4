"""How fast replies are classified.

    python bench/classify.py [--texts N] [--json]

The texts are the positive examples of the active ruleset's own rules, in 24 wordings of a bounce around each, with
addresses, hosts, queue ids and times that are never the same twice. `distinct` classifies each once. `repeats` draws from
them as mail does: few wordings make up most of it (Zipf), and the address was replaced by `<address>`. `hostile` is 4,096
characters of one pattern's beginning, again and again.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from processors.classification.classify import Reply, Ruleset, active_ruleset, classify
from processors.classification.ruleset import FOLDER, load_ruleset

WANTED_DISTINCT = 8_000
WANTED_REPEATS = 50_000


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: `wanted` is the rate it should reach, in texts per second."""

    what: str
    texts: int
    characters: int
    seconds: float
    per_second: int
    wanted: int | None


def measure(count: int) -> Iterator[Row]:
    """Distinct texts, repeats, and texts made to be slow; each with a ruleset that has judged nothing yet."""
    yield timed("distinct", distinct_texts(count), WANTED_DISTINCT)
    yield timed("repeats", repeated_texts(5 * count), WANTED_REPEATS)
    yield timed("hostile", hostile_texts(count // 100), None)


def timed(what: str, texts: list[str], wanted: int | None) -> Row:
    """Classifies them all, after one that makes the ruleset ready."""
    ruleset = fresh_ruleset()
    classify(Reply("550 first"), ruleset)
    start = time.process_time()
    for text in texts:
        classify(Reply(text), ruleset)
    seconds = time.process_time() - start
    characters = sum(map(len, texts)) // len(texts)
    return Row(what, len(texts), characters, round(seconds, 3), int(len(texts) / seconds), wanted)


def fresh_ruleset() -> Ruleset:
    """The active ruleset, read anew: equal to no other, so nothing is remembered for it."""
    return load_ruleset(FOLDER / active_ruleset().name)


def examples() -> list[str]:
    """Every positive example of the rules."""
    return [example.text for rule in active_ruleset().rules for example in rule.positive]


def distinct_texts(count: int) -> list[str]:
    """Texts of which no two are the same."""
    chance = random.Random(7)
    wordings = examples()
    return [wrapped(chance, number, chance.choice(wordings)) for number in range(count)]


def wrapped(chance: random.Random, number: int, said: str) -> str:
    """A reply as an MTA reports it, with what differs from one to the next."""
    host = f"mx{chance.randrange(9)}.example{number % 977}.net"
    ip = f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}"
    queue = f"{number:x}{chance.randrange(1 << 30):x}"
    return chance.choice((
        f"smtp; {said} [{queue}]",
        f"host {host}[{ip}] said: {said} {queue} (in reply to RCPT TO command)",
        f"SMTP error from remote mail server after RCPT TO:<user{number}@example.org>: host {host} [{ip}]: {said}",
        f"{said} {queue} - {host}",
    ))  # fmt: skip


def repeated_texts(count: int) -> list[str]:
    """Texts as they come in a day: the commonest wording a tenth of all, half of them one of the first hundred."""
    chance = random.Random(11)
    pool = distinct_texts(20_000)
    weights = [1 / (rank + 1) for rank in range(len(pool))]
    return chance.choices(pool, weights, k=count)


def hostile_texts(count: int) -> list[str]:
    """As long as is looked at, and nothing but the beginnings of patterns."""
    chance = random.Random(13)
    begun = [said[: len(said) // 2] for said in examples()]
    return [" ".join(chance.choices(begun, k=200))[:4096] for _ in range(count)]


def main() -> None:
    """Print the table, or a JSON line per row."""
    parser = argparse.ArgumentParser(description="How fast replies are classified.")
    parser.add_argument("--texts", type=int, default=40_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.json:
        print(f"{'what':10} {'texts':>9} {'characters':>11} {'seconds':>8} {'per second':>11} {'wanted':>8}")
    for row in measure(arguments.texts):
        if arguments.json:
            print(json.dumps(asdict(row)))
            continue
        wanted = "" if row.wanted is None else f"{row.wanted:,}"
        print(
            f"{row.what:10} {row.texts:9,} {row.characters:11,} {row.seconds:8.2f} {row.per_second:11,} {wanted:>8}"
        )


if __name__ == "__main__":
    main()
