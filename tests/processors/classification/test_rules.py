"""The rules that come with mailwake hold for their examples; those that do not are named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from processors.classification.lint import lint
from processors.classification.ruleset import (
    LAYERS,
    RulesetError,
    active_ruleset,
    load_ruleset,
    ruleset_named,
    ruleset_names,
)

LEAVES = """
[unknown.unknown]
address_fatal = false
message_fatal = true
scope = "recipient"
action = "review"
[bad_mailbox.unknown]
address_fatal = true
message_fatal = true
scope = "recipient"
action = "suppress"
"""

RULE = r"""
[[rule]]
id = "a.rule"
layer = "text"
pattern = 'user unknown'
leaf = "bad_mailbox.unknown"
says = "Nobody there."
source = "RFC 3463, 3.2"
positive = ["550 User unknown"]
negative = ["550 Sender refused"]
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(rules: str = RULE, leaves: str = LEAVES) -> Path:
        (tmp_path / "leaves.toml").write_text(leaves)
        (tmp_path / "rules.toml").write_text(rules)
        return tmp_path

    return written


def findings(folder: Path) -> str:
    return "\n".join(str(finding) for finding in lint(load_ruleset(folder)))


def test_the_active_rules_hold() -> None:
    assert [str(finding) for finding in lint(active_ruleset())] == []


def test_every_ruleset_that_comes_along_can_be_loaded() -> None:
    assert active_ruleset().name == ruleset_names()[-1]
    for name in ruleset_names():
        assert ruleset_named(name).rules


def test_rules_are_asked_layer_by_layer() -> None:
    order = [LAYERS.index(rule.layer) for rule in active_ruleset().rules]
    assert order == sorted(order)


def test_a_rule_that_holds_has_no_finding(write: Write) -> None:
    assert findings(write()) == ""


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("'user unknown'", r"'user\\(unknown\\)|user unknown'", "is a backslash in the text"),
        ("'user unknown'", "'User unknown|user unknown'", "lower case, so 'U'"),
        ("'user unknown'", "'user  unknown|user unknown'", "one blank"),
        ("'user unknown'", "['user unknown', 'nobody']", "no positive example shows that this can match: nobody"),
        ("'user unknown'", "'(?:user unknown)?'", "matches the empty text"),
        ("'user unknown'", r"'\w+ unknown|[a-z]+'", "has no word that must be in the text"),
        ("'user unknown'", "'mailbox'", "does not match its positive example '550 User unknown'"),
        ("'user unknown'", "'user unknown|refused'", "matches its negative example '550 Sender refused'"),
        ('layer = "text"', 'layer = "scoped"\nprovider = "hotmail"', "nothing emits a provider 'hotmail'"),
        ('layer = "text"', 'layer = "scoped"', "a rule of layer scoped has provider"),
        ('layer = "text"', 'layer = "enhanced"', "a rule of layer enhanced has enhanced"),
        ("RFC 3463, 3.2", "somewhere", "source names neither a page nor an RFC"),
        ('"a.rule"', '"A rule"', "an id is words"),
        ('layer = "text"', 'layer = "text"\nenhanced = ["5.1"]', "enhanced '5.1' is none of"),
        ('layer = "text"', 'layer = "text"\nsmtp = [99]', "smtp 99 is no reply code"),
        ('layer = "text"', 'layer = "text"\nsmtp = [450]\nwhen = "permanent"', "no code in smtp is"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_rule_is_named(write: Write, was: str, now: str, said: str) -> None:
    assert said in (told := findings(write(RULE.replace(was, now)))), told
    assert told.startswith("rules.toml: rule ")


def test_a_shadowed_rule_names_what_shadows_it(write: Write) -> None:
    told = findings(write(RULE + RULE.replace("a.rule", "another.rule")))
    assert "another.rule: shadowed: a.rule in rules.toml decides" in told


def test_a_leaf_that_no_rule_says_is_named(write: Write) -> None:
    leaves = LEAVES + LEAVES.split("[bad_mailbox.unknown]")[1].join(("[bad_mailbox.moved]", ""))
    assert "bad_mailbox.moved: no rule says this leaf" in findings(write(RULE, leaves))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('layer = "text"', 'layer = "words"', "layer is 'words'; it can be token"),
        ('"bad_mailbox.unknown"', '"bad_mailbox.gone"', "leaf is 'bad_mailbox.gone'"),
        ('source = "RFC 3463, 3.2"\n', "", "lacks source"),
        ('negative = ["550 Sender refused"]\n', "", "lacks negative"),
        ('layer = "text"', 'layer = "text"\nlayers = 1', "layers means nothing here"),
        ('layer = "text"', 'layer = "text"\nafter = 0', "after is 0; the least is 1"),
        ('layer = "text"', 'layer = "text"\naction = "delete"', "action is 'delete'"),
        ('layer = "text"', 'layer = "text"\naddress_fatal = "yes"', "address_fatal is 'yes'"),
        ("[[rule]]", "[rule]", "with two brackets"),
        ("[[rule]]", "[[rule", "not TOML"),
        ("'user unknown'", "'user ('", "not a pattern of RE2"),
        ("'user unknown'", "'(?=user)unknown'", "not a pattern of RE2"),
        ("pattern = 'user unknown'\n", "", "has neither pattern nor codes"),
        ("[[rule]]", "[words]\nwho = 'user'\n[[rule]]", "no pattern has {who}"),
        ("[[rule]]", "[words]\nwho = 1\n[[rule]]", "write [words], and below it"),
        ("'user unknown'", "'{who} unknown'", "{who} is none of the file's words: none"),
    ],
)
def test_what_is_no_ruleset_is_refused(write: Write, was: str, now: str, said: str) -> None:
    with pytest.raises(RulesetError, match=r"rules\.toml.*") as refused:
        lint(load_ruleset(write(RULE.replace(was, now))))
    assert said in str(refused.value)


def test_words_stand_for_what_they_say(write: Write) -> None:
    words = """
[words]
who = 'user|address'
whoever = '{who}s?'
"""
    ruleset = load_ruleset(write(words + RULE.replace("'user unknown'", "'{whoever} unknown, {who}{1,2}'")))
    assert ruleset.rules[0].patterns == ("(?:(?:user|address)s?) unknown, (?:user|address){1,2}",)


def test_two_rules_of_one_id_are_refused(write: Write) -> None:
    with pytest.raises(RulesetError, match="has one of that id"):
        load_ruleset(write(RULE + RULE))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('scope = "recipient"', 'scope = "everybody"', "scope is 'everybody'"),
        ("[bad_mailbox.unknown]", "[mailbox.unknown]", "no such class"),
        ("[unknown.unknown]", "[content.spam]", "lacks unknown.unknown"),
        ("message_fatal = true\n", "", "lacks message_fatal"),
    ],
)
def test_what_are_no_leaves_is_refused(write: Write, was: str, now: str, said: str) -> None:
    with pytest.raises(RulesetError, match=said):
        load_ruleset(write(RULE, LEAVES.replace(was, now)))


def test_a_ruleset_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesetError, match=f"no ruleset 1999-01-01: there are .*{ruleset_names()[-1]}"):
        ruleset_named("1999-01-01")
    with pytest.raises(RulesetError, match="a ruleset is a folder with a"):
        load_ruleset(tmp_path)
