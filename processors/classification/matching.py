"""Which rules hold for a reply: all patterns at once, in time linear in the text.

RE2 (google-re2) has no backtracking, so no text is slow; its filter looks for the literals of all patterns in one pass and
then tries only the patterns whose literals are there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import re2

from processors.classification.reply import Heard
from processors.classification.ruleset import Rule, RulesetError, Signature

_OF_WORDS = ("token", "scoped", "text")

_PATTERN_MEMORY = 1 << 20
"""Bytes that the automaton of one pattern may take; one that needs more is slower, not wrong."""


def compile_pattern(pattern: str, where: str) -> Callable[[str], object]:
    """The search for one pattern. Raises RulesetError for what RE2 does not take."""
    try:
        return re2.compile(pattern, _options()).search  # type: ignore[no-any-return]
    except re2.error as error:
        raise RulesetError(f"{where}: not a pattern of RE2: {_said(error)}: {pattern}") from None


class Matcher:
    """A ruleset's rules, ready to be asked."""

    def __init__(self, rules: Sequence[Rule], signatures: Sequence[Signature]) -> None:
        self._rules = rules
        self._signatures = signatures
        self._filter = re2.Filter()
        self._asked: list[int] = []
        """By index in the filter: that of a rule, or, below zero, that of a signature from the end."""
        self._by_code: dict[str | int, list[int]] = defaultdict(list)
        self._unless: dict[int, Callable[[str], object]] = {}
        for index, rule in enumerate(rules):
            self._take(index, rule)
        for index, signature in enumerate(signatures, -len(signatures)):
            self._add(signature.pattern, index, f"signature of {signature.provider}")
        if self._asked:
            self._filter.Compile()

    def first(self, heard: Heard) -> Rule | None:
        """The rule that decides: of those that hold the one asked first.

        What stands before the receiver's own reply (the sending server's account of it, greetings) is only asked where
        the reply's words tell nothing.
        """
        if heard.reply is not None:
            rule = next(self.all(heard, heard.reply), None)
            if rule is not None and rule.layer in _OF_WORDS:
                return rule
        return next(self.all(heard, heard.text), None)

    def all(self, heard: Heard, text: str) -> Iterator[Rule]:
        """Every rule that holds for that text of the reply, in the order in which they are asked."""
        found = sorted(self._asked[at] for at in self._filter.Match(text) or ()) if self._asked else []
        providers = {heard.provider, *(self._signatures[at].provider for at in found if at < 0)}
        candidates = {at for at in found if at >= 0}
        for key in _code_keys(heard):
            candidates.update(self._by_code.get(key, ()))
        for index in sorted(candidates):
            rule = self._rules[index]
            if rule.provider is not None and rule.provider not in providers:
                continue
            if _codes_hold(rule, heard) and not self._excepted(index, text):
                yield rule

    def _excepted(self, index: int, text: str) -> bool:
        unless = self._unless.get(index)
        return unless is not None and unless(text) is not None

    def _take(self, index: int, rule: Rule) -> None:
        where = f"{rule.file}: rule {rule.id}"
        if rule.unless is not None:
            self._unless[index] = compile_pattern(rule.unless, where)
        for pattern in rule.patterns:
            self._add(pattern, index, where)
        if rule.patterns:
            return
        keys: tuple[str | int, ...] = rule.enhanced or rule.smtp
        if not keys:
            raise RulesetError(f"{where}: has neither pattern nor codes, so nothing would ask it")
        for key in keys:
            self._by_code[key].append(index)

    def _add(self, pattern: str, index: int, where: str) -> None:
        try:
            self._filter.Add(pattern, options=_options())
        except re2.error:
            compile_pattern(pattern, where)
            raise
        self._asked.append(index)


def _options() -> re2.Options:
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    return options


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _code_keys(heard: Heard) -> Iterator[str | int]:
    if heard.enhanced_code is not None:
        yield from enhanced_keys(heard.enhanced_code)
    if heard.smtp_code is not None:
        yield heard.smtp_code


def enhanced_keys(code: str) -> tuple[str, str, str, str]:
    """The ways in which rules name an enhanced code: 5.1.1 is also x.1.1, 5.1.* and x.1.*."""
    status, subject, detail = code.split(".")
    return code, f"x.{subject}.{detail}", f"{status}.{subject}.*", f"x.{subject}.*"


def _codes_hold(rule: Rule, heard: Heard) -> bool:
    if rule.when is not None and (rule.when == "temporary") != heard.refused_for_now:
        return False
    if rule.smtp and heard.smtp_code not in rule.smtp:
        return False
    if not rule.enhanced:
        return True
    return heard.enhanced_code is not None and any(
        key in rule.enhanced for key in enhanced_keys(heard.enhanced_code)
    )
