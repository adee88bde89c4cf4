"""Whether a ruleset does what it says: each rule can match, decides its own examples, and leaves alone what it should.

The commonest defect of published rules for bounces is a pattern that nothing matches: a backslash too many, a capital
letter where texts come in lower case, a provider by a name that nothing emits. Each of these has its finding here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import re2

from processors.classification.matching import compile_pattern, matcher_of
from processors.classification.providers import provider_names
from processors.classification.reply import Reply, hear
from processors.classification.ruleset import Doubt, Example, Rule, Ruleset

_SOURCE = re.compile(r"RFC \d{3,5}|https?://\S+\.\S+")
_ID = re.compile(r"[a-z0-9]+(?:[._][a-z0-9]+)*")
_ENHANCED = re.compile(r"[x245]\.\d\.(?:\*|\d{1,3})")
_ESCAPED = re.compile(r"\\[pP](?:\{\^?\w+\}|\w)|\\x\{[0-9A-Fa-f]+\}|\\x[0-9A-Fa-f]{2}|\\.", re.DOTALL)
_NEVER_THERE = re.compile(r"\\[nrtfv]|  ")
_NEEDS = {
    "token": "pattern or codes of a provider",
    "scoped": "provider, and pattern or codes",
    "text": "pattern, and no provider",
    "enhanced": "enhanced, and no pattern",
    "hint": "pattern",
    "basic": "enhanced or smtp, and no pattern",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a rule, and what to do."""

    file: str
    rule: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: rule {self.rule}: {self.problem}"


def lint(ruleset: Ruleset) -> list[Finding]:
    """Everything that is wrong with a ruleset. Raises RulesetError where a pattern is none of RE2."""
    findings = [
        Finding(rule.file, rule.id, problem) for rule in ruleset.rules for problem in _problems(rule, ruleset)
    ]
    used = {rule.leaf for rule in ruleset.rules} | {"unknown.unknown"}
    findings += (
        Finding("leaves.toml", leaf, "no rule says this leaf: write one, or take the leaf out")
        for leaf in ruleset.leaves
        if leaf not in used
    )
    for doubt in ruleset.doubts:
        findings += (Finding(doubt.file, f"doubt {doubt.pattern}", said) for said in _doubt_problems(doubt))
    for signature in ruleset.signatures:
        where = f"signature {signature.pattern}"
        findings += (Finding("signatures", where, said) for said in _provider_problems(signature.provider))
        findings += (
            Finding("signatures", where, said) for said in _pattern_problems(signature.pattern, where)
        )
    return findings


def _problems(rule: Rule, ruleset: Ruleset) -> Iterator[str]:
    if not _ID.fullmatch(rule.id):
        yield "an id is words of a-z and 0-9 with dots or underscores between them"
    if not _SOURCE.search(rule.source):
        yield f"source names neither a page nor an RFC: {rule.source!r}; give https://… or RFC NNNN"
    if not _fits_its_layer(rule):
        yield f"a rule of layer {rule.layer} has {_NEEDS[rule.layer]}"
    if rule.provider is not None:
        yield from _provider_problems(rule.provider)
    for pattern in filter(None, (*rule.patterns, rule.unless)):
        yield from _pattern_problems(pattern, f"{rule.file}: rule {rule.id}")
    yield from _code_problems(rule)
    yield from _example_problems(rule, ruleset)


def _doubt_problems(doubt: Doubt) -> Iterator[str]:
    if not _SOURCE.search(doubt.source):
        yield f"source names neither a page nor an RFC: {doubt.source!r}; give https://… or RFC NNNN"
    yield from _pattern_problems(doubt.pattern, doubt.file)
    search = compile_pattern(doubt.pattern, doubt.file)
    for example in doubt.positive:
        if search(hear(reply_of(example)).text) is None:
            yield f"does not match its positive example {example.text!r}: mend one of them"
    for example in doubt.negative:
        if search(hear(reply_of(example)).text) is not None:
            yield f"matches its negative example {example.text!r}: make it narrower"


def _fits_its_layer(rule: Rule) -> bool:
    codes = bool(rule.enhanced or rule.smtp)
    if rule.layer == "token":
        return bool(rule.patterns) or (codes and rule.provider is not None)
    if rule.layer == "scoped":
        return rule.provider is not None and (bool(rule.patterns) or codes)
    if rule.layer == "text":
        return bool(rule.patterns) and rule.provider is None
    if rule.layer == "hint":
        return bool(rule.patterns)
    return not rule.patterns and codes and (rule.layer == "basic" or bool(rule.enhanced))


def _provider_problems(provider: str) -> Iterator[str]:
    if provider not in provider_names():
        known = ", ".join(sorted(provider_names()))
        yield f"nothing emits a provider {provider!r}, so this never matches; there are {known}"


def _pattern_problems(pattern: str, where: str) -> Iterator[str]:
    search = compile_pattern(pattern, where)
    if r"\\" in pattern:
        yield rf"\\ is a backslash in the text: write \( for a bracket, in '''…''' with one backslash: {pattern}"
    if capitals := re.search(
        r"[A-Z]+", re.sub(r"\(\?P<\w+>|\[\[:\^?\w+:\]\]", "", _ESCAPED.sub("", pattern))
    ):
        yield f"texts are in lower case, so {capitals[0]!r} is never there: {pattern}"
    if blank := _NEVER_THERE.search(pattern):
        yield f"each run of white space is one blank in the text, so {blank[0]!r} is never there: {pattern}"
    if search("") is not None:
        yield f"matches the empty text, and so every text: {pattern}"
    elif _asked_always(pattern):
        yield f"has no word that must be in the text, so it would be tried on every text; name one: {pattern}"


def _asked_always(pattern: str) -> bool:
    alone = re2.Filter()
    alone.Add(pattern)
    alone.Compile()
    return alone.Match("\x00", potential=True) is not None


def _code_problems(rule: Rule) -> Iterator[str]:
    for code in rule.enhanced:
        if not _ENHANCED.fullmatch(code):
            yield f"enhanced {code!r} is none of 5.1.1, x.1.1, 5.1.* and x.1.*"
    for number in rule.smtp:
        if not 200 <= number <= 599:
            yield f"smtp {number} is no reply code"
    if (
        rule.when in ("permanent", "temporary")
        and rule.smtp
        and all((code < 500) != (rule.when == "temporary") for code in rule.smtp)
    ):
        yield f"when is {rule.when}, and no code in smtp is"


def _example_problems(rule: Rule, ruleset: Ruleset) -> Iterator[str]:
    for example in rule.positive:
        winner, _ = matcher_of(ruleset).first(hear(reply_of(example)))
        if winner is not rule:
            yield from _why_not(rule, example, winner, ruleset)
    heard = [hear(reply_of(example)).text for example in rule.positive]
    for pattern in rule.patterns:
        search = compile_pattern(pattern, f"{rule.file}: rule {rule.id}")
        if not any(search(text) for text in heard):
            yield f"no positive example shows that this can match: {pattern}"
    for example in rule.negative:
        if _holds(rule, example, ruleset):
            yield f"matches its negative example {example.text!r}: make it narrower, or add unless"


def _why_not(rule: Rule, example: Example, winner: Rule | None, ruleset: Ruleset) -> Iterator[str]:
    heard = hear(reply_of(example))
    if winner is not None and _holds(rule, example, ruleset):
        yield (
            f"shadowed: {winner.id} in {winner.file} decides the positive example {example.text!r}; "
            "make that one narrower, or put this one before it"
        )
        return
    codes = f"code {heard.smtp_code}, enhanced {heard.enhanced_code}, provider {heard.provider}"
    yield f"does not match its positive example {example.text!r} ({codes}, text {heard.text!r}): mend one of them"


def _holds(rule: Rule, example: Example, ruleset: Ruleset) -> bool:
    heard = hear(reply_of(example))
    return rule in matcher_of(ruleset).all(heard)


def reply_of(example: Example) -> Reply:
    """The reply that an example is."""
    return Reply(example.text, example.smtp_code, example.enhanced_code, example.mx, example.provider)
