"""Words that several patterns of a file share: what one says for "recipient" in a language, and what for "unknown"."""

import re
from collections.abc import Mapping
from typing import Any

_NAMED = re.compile(r"(?<!\\[pP])\{([a-z][a-z_]*)\}")
"""As {who}. Counts, as {0,3}, have digits, and classes, as \\p{Greek}, a backslash."""


class RulesetError(ValueError):
    """A ruleset can't be used; the message names file, rule and what to do."""


class Words:
    """The table `words` of a file: each a pattern by a name, which patterns and other words below it take in as {name}."""

    def __init__(self, table: Any, file: str) -> None:
        """Raises RulesetError for what is no table of strings."""
        if not isinstance(table, Mapping) or any(not isinstance(one, str) for one in table.values()):
            raise RulesetError(f"{file}: write [words], and below it lines of name = 'pattern'")
        self._file = file
        self._unused = set(table)
        self._known: dict[str, str] = {}
        for name, pattern in table.items():
            self._known[name] = f"(?:{self.written_out(pattern, f'{file}: words')})"

    def written_out(self, pattern: str, where: str) -> str:
        """The pattern with its words in it. Raises RulesetError for a name that is not in the table."""
        return _NAMED.sub(lambda named: self._word(named[1], where), pattern)

    def all_used(self) -> None:
        """Raises RulesetError where a word is in no pattern."""
        if self._unused:
            raise RulesetError(
                f"{self._file}: words: no pattern has {{{min(self._unused)}}}; take it out, or use it"
            )

    def _word(self, name: str, where: str) -> str:
        if name not in self._known:
            known = ", ".join(self._known) or "none"
            raise RulesetError(f"{where}: {{{name}}} is none of the file's words: {known}")
        self._unused.discard(name)
        return self._known[name]
