"""Which rules hold does not depend on how their patterns are shared out among filters."""

import json
from pathlib import Path

import pytest

from processors.classification import matching
from processors.classification.matching import Matcher, matcher_of
from processors.classification.reply import Reply, hear
from processors.classification.ruleset import Ruleset, active_ruleset, load_ruleset

TEXTS = [
    json.loads(line)["text"]
    for path in sorted(Path(__file__).parent.glob("holdout_*.jsonl"))
    for line in path.read_text("utf-8").splitlines()[::10]
]


def matcher(ruleset: Ruleset) -> Matcher:
    return Matcher(ruleset.rules, ruleset.signatures, ruleset.doubts)


def test_the_same_rules_hold_whatever_a_filter_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = matcher_of(active_ruleset())
    monkeypatch.setattr(matching, "_IN_ONE_FILTER", 53)
    other = matcher(active_ruleset())
    for text in TEXTS:
        heard = hear(Reply(text))
        assert [rule.id for rule in other.all(heard)] == [rule.id for rule in usual.all(heard)], text
        assert other.first(heard) == usual.first(heard), text


def test_a_rule_whose_patterns_are_in_two_filters_is_asked_in_its_turn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(matching, "_IN_ONE_FILTER", 2)
    leaf = 'address_fatal = false\nmessage_fatal = true\nscope = "recipient"\naction = "review"\n'
    (tmp_path / "leaves.toml").write_text(f"[unknown.unknown]\n{leaf}")
    said = 'leaf = "unknown.unknown"\nsays = "-"\nsource = "RFC 5321"\npositive = ["a"]\nnegative = ["b"]\n'
    (tmp_path / "rules.toml").write_text(
        f'[[rule]]\nid = "long"\nlayer = "hint"\npattern = ["alpha", "beta", "gamma"]\n{said}'
        f'[[rule]]\nid = "late"\nlayer = "hint"\npattern = "delta"\n{said}'
        f'[[rule]]\nid = "coded"\nlayer = "basic"\nsmtp = [550]\n{said}'
    )
    asked = matcher(load_ruleset(tmp_path))
    for text, ids in (
        ("550 delta and gamma", ["long", "late", "coded"]),
        ("550 beta and gamma", ["long", "coded"]),
        ("550 delta", ["late", "coded"]),
        ("550 none", ["coded"]),
        ("none", []),
    ):
        assert [rule.id for rule in asked.all(hear(Reply(text)))] == ids
