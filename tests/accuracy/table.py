"""Prints how accurate reading and classification are: `make accuracy`. With --differing also what differs.

python tests/accuracy/table.py [--differing]
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "processors" / "mails"), str(HERE.parent.parent)]

from judged import (  # noqa: E402
    CORPORA,
    HOLDOUTS,
    LABELS,
    Score,
    either_of_replies,
    lines_of,
    score_of_mails,
    score_of_replies,
)

Row = tuple[str, str, str, str]


def mail_rows() -> list[Row]:
    """Bounce or not, and recipients: by the corpora's own labels."""
    from test_corpora import bounces_told, recipients_told

    right, total, _ = bounces_told()
    tally = recipients_told()
    return [
        ("mails", "bounce or not", f"{right} of {total}", percent(right, total)),
        (
            "mails",
            "recipients found",
            f"{tally.found} of {tally.expected}",
            percent(tally.found, tally.expected),
        ),
        (
            "mails",
            "recipients wrong",
            f"{tally.wrong} of {tally.expected}",
            percent(tally.wrong, tally.expected),
        ),
    ]


def score_rows(what: str, score: Score) -> list[Row]:
    fatal = score.true_fatal + score.false_fatal
    meant = score.true_fatal + score.missed_fatal
    return [
        (what, "class", f"{score.classes} of {score.judged}", percent(score.classes, score.judged)),
        (what, "class.leaf", f"{score.leaves} of {score.judged}", percent(score.leaves, score.judged)),
        (
            what,
            "address_fatal, precision",
            f"{score.true_fatal} of {fatal}",
            percent(score.true_fatal, fatal),
        ),
        (what, "address_fatal, recall", f"{score.true_fatal} of {meant}", percent(score.true_fatal, meant)),
    ]


def percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.1f} %"


def main() -> None:
    """Print the table; what needs the corpora only where they are."""
    rows: list[Row] = []
    scores: list[tuple[str, Score]] = []
    if CORPORA.is_dir():
        rows += mail_rows()
        scores.append((f"mails ({LABELS.name})", score_of_mails()))
    else:
        sys.stderr.write(f"{CORPORA} is missing: nothing is measured on real mails\n")
    scores += ((path.stem.replace("_", " "), score_of_replies(path)) for path in HOLDOUTS)
    for what, score in scores:
        rows += score_rows(what, score)
    for path in HOLDOUTS:
        allowed = sum("or" in line for line in lines_of(path))
        if allowed:
            either, judged = either_of_replies(path), len(lines_of(path))
            what = f"class, or the second ({allowed})"
            rows.append((path.stem.replace("_", " "), what, f"{either} of {judged}", percent(either, judged)))
    for row in (("on", "what", "right", ""), *rows):
        sys.stdout.write(f"{row[0]:22} {row[1]:28} {row[2]:>12} {row[3]:>9}\n")
    if "--differing" in sys.argv:
        sys.stdout.writelines(f"{what}: {line}\n" for what, score in scores for line in score.differing)


if __name__ == "__main__":
    main()
