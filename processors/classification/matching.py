"""Which rules hold for a reply: all patterns at once, in time linear in the text.

RE2 (google-re2) has no backtracking, so no text is slow; its filter looks for the literals of all patterns in one pass and
then tries only the patterns whose literals are there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import re2

from processors.classification.reply import Heard
from processors.classification.ruleset import Doubt, Rule, Ruleset, RulesetError, Signature

_OF_WORDS = ("token", "scoped", "text")
_OF_WORDS_AND_CODES = (*_OF_WORDS, "enhanced", "hint")

_REMEMBERED = 65_536
"""Texts: most are repeats."""

_IN_ONE_FILTER = 213
"""Patterns. More share a cache of states that gets too small for them, and are all asked before the first of them can decide;
fewer take more passes over the text."""

_READY = 8
"""Rulesets kept ready: the active one, and those that history is told anew by."""

_PATTERN_MEMORY = 1 << 20
"""Bytes that the automaton of one pattern may take; one that needs more is slower, not wrong."""
_DOUBTS_MEMORY = 32 << 20
"""That of all doubts at once: a single pass over the text, and not one for each."""


def compile_pattern(pattern: str, where: str, memory: int = _PATTERN_MEMORY) -> Callable[[str], object]:
    """The search for one pattern. Raises RulesetError for what RE2 does not take."""
    try:
        return re2.compile(pattern, _options(memory)).search  # type: ignore[no-any-return]
    except re2.error as error:
        raise RulesetError(f"{where}: not a pattern of RE2: {_said(error)}: {pattern}") from None


class Matcher:
    """A ruleset's rules, ready to be asked."""

    def __init__(
        self, rules: Sequence[Rule], signatures: Sequence[Signature], doubts: Sequence[Doubt]
    ) -> None:
        self._rules = rules
        self._signatures = signatures
        self._patterns: list[tuple[str, int]] = []
        """Each with whose it is: the index of a rule; below zero that of a signature from the end, which come first."""
        self._by_code: dict[str | int, list[int]] = defaultdict(list)
        self._unless: dict[int, Callable[[str], object]] = {}
        for index, signature in enumerate(signatures, -len(signatures)):
            self._patterns.append((signature.pattern, index))
        for index, rule in enumerate(rules):
            self._take(index, rule)
        self._decided = lru_cache(_REMEMBERED)(self._decide)
        self._filters = [
            self._filter(self._patterns[at : at + _IN_ONE_FILTER])
            for at in range(0, len(self._patterns), _IN_ONE_FILTER)
        ]
        self._doubt = _any_of(doubts) if doubts else None

    def first(self, heard: Heard) -> tuple[Rule | None, bool]:
        """The rule that decides, which is of those that hold the one asked first; and whether doubts stand beside its fatality.

        What stands before the receiver's own reply (the sending server's account of it, greetings) is only asked where
        the reply tells nothing; what stands there is words of the receiver where it begins with the code as well.
        """
        if heard.reply is not None:
            is_its_own = heard.text.removeprefix("smtp; ").startswith(str(heard.smtp_code))
            enough = _OF_WORDS if is_its_own else _OF_WORDS_AND_CODES
            decided = self._decided(_spoken(heard, heard.reply))
            if decided[0] is not None and decided[0].layer in enough:
                return decided
        return self._decided(_spoken(heard, heard.text))

    def all(self, heard: Heard) -> Iterator[Rule]:
        """Every rule that holds for the whole text, in the order in which they are asked."""
        for index in self._holding(heard):
            yield self._rules[index]

    def _decide(self, heard: Heard) -> tuple[Rule | None, bool]:
        index = next(self._holding(heard), None)
        if index is None:
            return None, False
        rule = self._rules[index]
        if not rule.consequences.address_fatal or self._doubt is None:
            return rule, False
        return rule, self._doubt(heard.text) is not None

    def _holding(self, heard: Heard) -> Iterator[int]:
        """The indexes of the rules that hold, each once and rising: a filter is only asked once those before it are used up."""
        text = heard.text.encode()
        by_code = sorted({at for key in _code_keys(heard) for at in self._by_code.get(key, ())}, reverse=True)
        providers = {heard.provider}
        last = -1
        for matching, whose in self._filters:
            found = {whose[at] for at in matching.Match(text) or ()}
            providers.update(self._signatures[at].provider for at in found if at < 0)
            while by_code and by_code[-1] < whose[-1]:
                found.add(by_code.pop())
            for index in sorted(at for at in found if at > last):
                last = index
                if self._holds(index, heard, providers):
                    yield index
        yield from (index for index in reversed(by_code) if self._holds(index, heard, providers))

    def _holds(self, index: int, heard: Heard, providers: set[str]) -> bool:
        rule = self._rules[index]
        if rule.provider is not None and rule.provider not in providers:
            return False
        return _codes_hold(rule, heard) and not self._excepted(index, heard.text)

    def _excepted(self, index: int, text: str) -> bool:
        unless = self._unless.get(index)
        return unless is not None and unless(text) is not None

    def _take(self, index: int, rule: Rule) -> None:
        if rule.unless is not None:
            self._unless[index] = compile_pattern(rule.unless, self._place(index))
        self._patterns += ((pattern, index) for pattern in rule.patterns)
        if rule.patterns:
            return
        keys: tuple[str | int, ...] = rule.enhanced or rule.smtp
        if not keys:
            raise RulesetError(
                f"{self._place(index)}: has neither pattern nor codes, so nothing would ask it"
            )
        for key in keys:
            self._by_code[key].append(index)

    def _filter(self, patterns: Sequence[tuple[str, int]]) -> tuple[re2.Filter, list[int]]:
        matching = re2.Filter()
        for pattern, whose in patterns:
            try:
                matching.Add(pattern, options=_options())
            except re2.error:
                compile_pattern(pattern, self._place(whose))  # which says what is wrong with it
                raise
        matching.Compile()
        return matching, [whose for _, whose in patterns]

    def _place(self, index: int) -> str:
        if index < 0:
            return f"signature of {self._signatures[index].provider}"
        return f"{self._rules[index].file}: rule {self._rules[index].id}"


@lru_cache(maxsize=_READY)
def matcher_of(ruleset: Ruleset) -> Matcher:
    """A ruleset's rules made ready for matching; takes some tenths of a second, once.

    Raises RulesetError for a pattern that is none of RE2.
    """
    return Matcher(ruleset.rules, ruleset.signatures, ruleset.doubts)


def _any_of(doubts: Sequence[Doubt]) -> Callable[[str], object]:
    try:
        return compile_pattern("|".join(f"(?:{doubt.pattern})" for doubt in doubts), "doubts", _DOUBTS_MEMORY)
    except RulesetError:
        for doubt in doubts:
            compile_pattern(doubt.pattern, f"{doubt.file}: doubt")  # which says what is wrong with it
        raise


def _spoken(heard: Heard, text: str) -> Heard:
    """Only that text of the reply, equal to any other of the same words and codes."""
    return Heard(
        text,
        None,
        heard.smtp_code,
        heard.enhanced_code,
        heard.provider,
        heard.refused_for_now,
        heard.will_retry,
    )


def _options(memory: int = _PATTERN_MEMORY) -> re2.Options:
    options = re2.Options()
    options.never_capture = True
    options.log_errors = False
    options.max_mem = memory
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


def _when_holds(when: str, heard: Heard) -> bool:
    if when == "uncoded":
        return heard.smtp_code is None and heard.enhanced_code is None
    return (when == "temporary") == heard.refused_for_now


def _codes_hold(rule: Rule, heard: Heard) -> bool:
    if rule.when is not None and not _when_holds(rule.when, heard):
        return False
    if rule.smtp and heard.smtp_code not in rule.smtp:
        return False
    if not rule.enhanced:
        return True
    return heard.enhanced_code is not None and any(
        key in rule.enhanced for key in enhanced_keys(heard.enhanced_code)
    )
