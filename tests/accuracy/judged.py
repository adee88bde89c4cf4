"""What was judged by hand, and how often the rules say the same."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from made_mails import ORIGIN, hash_of

from processors.classification.classify import Reply, Verdict, active_ruleset, classify
from processors.mails.read import read_mail
from schemas.mail import MailEvent, MessageBounced, MessageDeferred

HERE = Path(__file__).parent
CORPORA = HERE.parents[2] / "shared" / "corpora"
LABELS = HERE / "labels.jsonl"
"""A line per recipient of a mail in the corpora: {"key": corpus/file#address, "is": class.leaf, "address_fatal", "why"?}."""
HOLDOUTS = sorted(
    (HERE.parent / "processors" / "classification").glob("holdout_*.jsonl"),
    key=lambda path: int(path.stem.removeprefix("holdout_")),
)
"""Replies, each labelled before any rule was tried on it: {"text", "smtp_code"?, "enhanced_code"?, "mx"?, "provider"?, "class",
"leaf", "address_fatal"}. Sets 9 to 12 have more: "or" (a second class that is right as well, with "or_leaf"?), "fatal_doubt" (whoever
labelled it was not sure of "address_fatal"), "seen" (its wording stood in a rule's example, a test or an earlier set), and what
the first run said: "said" (class.leaf) and "said_fatal"."""


@dataclass
class Score:
    """How many verdicts were as judged."""

    judged: int = 0
    classes: int = 0
    leaves: int = 0
    true_fatal: int = 0
    false_fatal: int = 0
    missed_fatal: int = 0
    differing: list[str] = field(default_factory=list)

    def count(self, what: str, leaf: str, fatal: bool, verdict: Verdict | None) -> None:
        """One case: what it was judged to be, and the verdict on it, None where nothing was read of it."""
        if verdict is None:
            self.add(what, leaf, fatal, "nothing", False)
        else:
            said = f"{verdict.bounce_class}.{verdict.leaf}"
            self.add(what, leaf, fatal, said, verdict.address_fatal, verdict.rule)

    def add(self, what: str, leaf: str, fatal: bool, said: str, said_fatal: bool, rule: str = "") -> None:
        """One case whose verdict is known by its words only."""
        self.judged += 1
        self.classes += said.split(".")[0] == leaf.split(".")[0]
        self.leaves += said == leaf
        self.true_fatal += said_fatal and fatal
        self.false_fatal += said_fatal and not fatal
        self.missed_fatal += fatal and not said_fatal
        if said != leaf or said_fatal != fatal:
            self.differing.append(f"{what}: judged {leaf} {fatal}, said {said} {said_fatal} by {rule}")

    @property
    def class_accuracy(self) -> float:
        return self.classes / self.judged

    @property
    def leaf_accuracy(self) -> float:
        return self.leaves / self.judged

    @property
    def fatal_precision(self) -> float:
        return self.true_fatal / max(1, self.true_fatal + self.false_fatal)

    @property
    def fatal_recall(self) -> float:
        return self.true_fatal / max(1, self.true_fatal + self.missed_fatal)


def lines_of(path: Path) -> list[dict[str, str | bool | int]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def score_of_replies(path: Path) -> Score:
    score, ruleset = Score(), active_ruleset()
    for line in lines_of(path):
        verdict = classify(reply_of(line), ruleset)
        score.count(
            str(line["text"])[:80], f"{line['class']}.{line['leaf']}", bool(line["address_fatal"]), verdict
        )
    return score


def first_score_of_replies(path: Path, fresh: bool = False) -> Score:
    """What the first run said of a set that has it written down; where fresh, only of wordings not seen before."""
    score = Score()
    for line in lines_of(path):
        if not (fresh and line.get("seen")):
            leaf, text = f"{line['class']}.{line['leaf']}", str(line["text"])[:80]
            score.add(text, leaf, bool(line["address_fatal"]), str(line["said"]), bool(line["said_fatal"]))
    return score


def either_of_replies(path: Path) -> int:
    """How many replies are of the class that they were judged to be, or of the second that was allowed for them."""
    ruleset = active_ruleset()
    return sum(
        classify(reply_of(line), ruleset).bounce_class in (line["class"], line.get("or"))
        for line in lines_of(path)
    )


def reply_of(line: dict[str, str | bool | int]) -> Reply:
    text, code, enhanced, mx, provider = (
        line.get(name) for name in ("text", "smtp_code", "enhanced_code", "mx", "provider")
    )
    return Reply(
        str(text),
        None if code is None else int(code),
        None if enhanced is None else str(enhanced),
        None if mx is None else str(mx),
        None if provider is None else str(provider),
    )


def score_of_mails() -> Score:
    """What the reader of mails hands on, judged as the stage does it."""
    score, ruleset = Score(), active_ruleset()
    told: dict[str, dict[str | None, MessageBounced | MessageDeferred]] = {}
    for line in lines_of(LABELS):
        name, _, recipient = str(line["key"]).partition("#")
        if name not in told:
            told[name] = dict(failures_in(CORPORA / f"bounces-{name}"))
        event = told[name].get(hash_of(recipient) if "@" in recipient else None)
        verdict = None
        if event is not None:
            is_deferred = isinstance(event, MessageDeferred)
            reply = Reply(
                event.response,
                event.smtp_code,
                event.enhanced_code,
                event.mx_host,
                event.provider,
                is_deferred,
            )
            verdict = classify(reply, ruleset)
        score.count(str(line["key"]), str(line["is"]), bool(line["address_fatal"]), verdict)
    return score


def failures_in(path: Path) -> Iterator[tuple[str | None, MessageBounced | MessageDeferred]]:
    events: tuple[MailEvent, ...] = read_mail(path.read_bytes(), ORIGIN).events
    for event in events:
        if isinstance(event, MessageBounced | MessageDeferred):
            yield event.recipient_hash, event
