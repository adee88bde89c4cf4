"""Rules as data: what is in a ruleset's TOML files, read and held to its form.

A ruleset is a folder named after the day it was made, under `rules/`. docs/bounces.md says how to write one.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

from processors.classification.words import RulesetError, Words
from schemas.classification import Action, BounceClass, Scope

__all__ = [
    "FOLDER",
    "LAYERS",
    "Consequences",
    "Doubt",
    "Example",
    "Rule",
    "Ruleset",
    "RulesetError",
    "Signature",
    "active_ruleset",
    "load_ruleset",
    "ruleset_named",
    "ruleset_names",
]

FOLDER = Path(__file__).parent / "rules"
"""Where the rulesets are that come with mailwake, a folder each."""

LAYERS = ("token", "scoped", "text", "enhanced", "hint", "basic")
"""In the order that they are asked: a provider's own token; text at a known provider; text anywhere; an enhanced status
code; words too weak to overrule such a code; what is left to say by codes that say no more than a class."""

_ACTIONS, _SCOPES, _CLASSES = get_args(Action), get_args(Scope), get_args(BounceClass)


@dataclass(frozen=True, slots=True)
class Consequences:
    """What follows from a leaf."""

    address_fatal: bool
    """Nobody should be mailed at this address any more, once it happened `after` times."""
    after: int
    message_fatal: bool
    """This message should not be tried again."""
    scope: str
    """What else fails the same way: `schemas.classification.Scope`."""
    action: str
    """What the sender should do: `schemas.classification.Action`."""


@dataclass(frozen=True, slots=True)
class Example:
    """A reply that a rule must win (positive), or must not match (negative)."""

    text: str
    smtp_code: int | None = None
    enhanced_code: str | None = None
    mx: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """When a reply means what. Every condition that it has must hold."""

    id: str
    layer: str
    leaf: str
    """As class.leaf: one of the ruleset's leaves."""
    consequences: Consequences
    """Those of the leaf, but for what the rule says of its own."""
    says: str
    source: str
    file: str
    """Relative to the ruleset's folder."""
    patterns: tuple[str, ...] = ()
    """`pattern` in the file: one or several, in RE2's syntax; one of them is found anywhere in the text in lower case."""
    unless: str | None = None
    """A pattern that must not be found."""
    provider: str | None = None
    smtp: tuple[int, ...] = ()
    enhanced: tuple[str, ...] = ()
    """As 5.1.1, x.1.1 (whatever the class) or x.7.* (any of a subject)."""
    when: str | None = None
    """`permanent` or `temporary`, by the receiver's codes; `uncoded`: there are none; None: whatever."""
    positive: tuple[Example, ...] = ()
    negative: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """Words by which a provider's replies are known where no MX is named."""

    provider: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Words beside which no text or code is enough to suppress anybody: the refusal may be about something else.

    A provider's own tokens are beyond doubt.
    """

    pattern: str
    says: str
    source: str
    file: str
    positive: tuple[Example, ...] = ()
    negative: tuple[Example, ...] = ()


@dataclass(frozen=True, eq=False)
class Ruleset:
    """Leaves and rules by one name; equal only to itself."""

    name: str
    leaves: Mapping[str, Consequences]
    rules: tuple[Rule, ...]
    """In the order in which they are asked: by layer, then by file, then as written."""
    signatures: tuple[Signature, ...] = field(default=())
    doubts: tuple[Doubt, ...] = field(default=())


@cache
def active_ruleset() -> Ruleset:
    """The newest ruleset that comes with mailwake."""
    return ruleset_named(ruleset_names()[-1])


def ruleset_names() -> tuple[str, ...]:
    """The rulesets that come with mailwake, oldest first."""
    return tuple(sorted(path.name for path in FOLDER.iterdir() if (path / "leaves.toml").is_file()))


@cache
def ruleset_named(name: str) -> Ruleset:
    """One that comes with mailwake, or the folder of that path. Raises RulesetError where there is neither."""
    if name in ruleset_names():
        return load_ruleset(FOLDER / name)
    if (Path(name) / "leaves.toml").is_file():
        return load_ruleset(Path(name))
    raise RulesetError(
        f"no ruleset {name}: there are {', '.join(ruleset_names())}, and any folder that holds a leaves.toml"
    )


def load_ruleset(folder: Path) -> Ruleset:
    """The ruleset of a folder. Raises RulesetError, which names file, rule and what to do."""
    leaves = _leaves(folder)
    signatures: list[Signature] = []
    doubts: list[Doubt] = []
    rules: list[Rule] = []
    for path in sorted(folder.rglob("*.toml")):
        file = path.relative_to(folder).as_posix()
        if file == "leaves.toml":
            continue
        content = _toml(path)
        _only(content, {"words", "rule", "signature", "doubt"}, file)
        words = Words(content.get("words", {}), file)
        doubts += (_doubt(one, file) for one in _tables(content, "doubt", file))
        signatures += (_signature(one, file) for one in _tables(content, "signature", file))
        rules += (_rule(one, file, leaves, words) for one in _tables(content, "rule", file))
        words.all_used()
    _each_once(rules)
    rules.sort(key=lambda rule: LAYERS.index(rule.layer))
    return Ruleset(folder.resolve().name, leaves, tuple(rules), tuple(signatures), tuple(doubts))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RulesetError(f"{path}: {error.strerror}; a ruleset is a folder with a leaves.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulesetError(f"{path}: not TOML in UTF-8: {error}") from None


def _leaves(folder: Path) -> dict[str, Consequences]:
    leaves: dict[str, Consequences] = {}
    for name, values in _toml(folder / "leaves.toml").items():
        for leaf, fields in values.items() if isinstance(values, dict) else ():
            where = f"leaves.toml: {name}.{leaf}"
            if name not in _CLASSES:
                raise RulesetError(f"{where}: no such class; there are {', '.join(_CLASSES)}")
            _only(fields, {*Consequences.__dataclass_fields__, "says"}, where)
            missing = Consequences.__dataclass_fields__.keys() - fields.keys() - {"after"}
            if missing:
                raise RulesetError(f"{where}: lacks {', '.join(sorted(missing))}")
            leaves[f"{name}.{leaf}"] = _consequences(fields, Consequences(False, 1, False, "", ""), where)
    if "unknown.unknown" not in leaves:
        raise RulesetError(
            "leaves.toml: lacks unknown.unknown, which is what a reply means that no rule knows"
        )
    return leaves


def _consequences(fields: Mapping[str, Any], base: Consequences, where: str) -> Consequences:
    given = {name: fields[name] for name in Consequences.__dataclass_fields__ if name in fields}
    for name, kind in (("address_fatal", bool), ("message_fatal", bool), ("after", int)):
        if name in given and type(given[name]) is not kind:
            raise RulesetError(f"{where}: {name} is {given[name]!r}, and wants a {kind.__name__}")
    if given.get("after", 1) < 1:
        raise RulesetError(f"{where}: after is {given['after']}; the least is 1")
    for name, words in (("scope", _SCOPES), ("action", _ACTIONS)):
        if name in given and given[name] not in words:
            raise RulesetError(f"{where}: {name} is {given[name]!r}; it can be {', '.join(words)}")
    all_fields = {name: getattr(base, name) for name in Consequences.__dataclass_fields__}
    return Consequences(**(all_fields | given))


_TEXTS = ("id", "layer", "leaf", "says", "source", "unless", "provider", "when")
_RULE_FIELDS = {*Rule.__dataclass_fields__, *Consequences.__dataclass_fields__, "pattern"} - {
    "consequences",
    "file",
    "patterns",
}
_WANTED = ("id", "layer", "leaf", "says", "source", "positive", "negative")


def _rule(fields: Mapping[str, Any], file: str, leaves: Mapping[str, Consequences], words: Words) -> Rule:
    where = f"{file}: rule {fields.get('id', '(without id)')}"
    _only(
        fields,
        _RULE_FIELDS,
        where,
    )
    missing = [name for name in _WANTED if not fields.get(name)]
    if missing:
        raise RulesetError(f"{where}: lacks {', '.join(missing)}")
    texts = {name: fields[name] for name in _TEXTS if name in fields}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise RulesetError(f"{where}: {name} is {text!r}, and wants a string")
    if "unless" in texts:
        texts["unless"] = words.written_out(texts["unless"], where)
    _one_of(texts, "layer", LAYERS, where)
    _one_of(texts, "leaf", tuple(leaves), where)
    _one_of(texts, "when", ("permanent", "temporary", "uncoded"), where)
    return Rule(
        **texts,
        consequences=_consequences(fields, leaves[fields["leaf"]], where),
        file=file,
        patterns=tuple(words.written_out(pattern, where) for pattern in _patterns(fields, where)),
        smtp=_list_of(fields, "smtp", int, where),
        enhanced=_list_of(fields, "enhanced", str, where),
        positive=tuple(_examples(fields, "positive", where)),
        negative=tuple(_examples(fields, "negative", where)),
    )


def _patterns(fields: Mapping[str, Any], where: str) -> tuple[str, ...]:
    if isinstance(pattern := fields.get("pattern", []), str):
        return (pattern,)
    return _list_of(fields, "pattern", str, where)


def _one_of(texts: Mapping[str, str], name: str, words: tuple[str, ...], where: str) -> None:
    if name in texts and texts[name] not in words:
        raise RulesetError(f"{where}: {name} is {texts[name]!r}; it can be {', '.join(words)}")


def _list_of(fields: Mapping[str, Any], name: str, kind: type, where: str) -> tuple[Any, ...]:
    values = fields.get(name, [])
    if not isinstance(values, list) or any(type(value) is not kind for value in values):
        raise RulesetError(f"{where}: {name} is {values!r}, and wants a list of {kind.__name__}")
    return tuple(values)


def _examples(fields: Mapping[str, Any], name: str, where: str) -> Iterator[Example]:
    values = fields[name]
    if not isinstance(values, list):
        raise RulesetError(f"{where}: {name} wants a list of texts, or of tables with a text")
    for value in values:
        example = {"text": value} if isinstance(value, str) else value
        if not isinstance(example, dict) or not isinstance(example.get("text"), str):
            raise RulesetError(f"{where}: {name} holds {value!r}, and wants a text or a table with a text")
        _only(example, set(Example.__dataclass_fields__), f"{where}: {name}")
        yield Example(**example)


def _signature(fields: Mapping[str, Any], file: str) -> Signature:
    if fields.keys() != {"provider", "pattern"}:
        raise RulesetError(f"{file}: a signature wants provider and pattern, and has {', '.join(fields)}")
    return Signature(fields["provider"], fields["pattern"])


def _doubt(fields: Mapping[str, Any], file: str) -> Doubt:
    where = f"{file}: doubt {fields.get('pattern')}"
    wanted = {"pattern", "says", "source", "positive", "negative"}
    if fields.keys() != wanted:
        raise RulesetError(f"{where}: wants {', '.join(sorted(wanted))}, and has {', '.join(fields)}")
    return Doubt(
        fields["pattern"],
        fields["says"],
        fields["source"],
        file,
        tuple(_examples(fields, "positive", where)),
        tuple(_examples(fields, "negative", where)),
    )


def _tables(content: Mapping[str, Any], name: str, file: str) -> list[dict[str, Any]]:
    tables = content.get(name, [])
    if not isinstance(tables, list) or any(not isinstance(one, dict) for one in tables):
        raise RulesetError(f"{file}: write [[{name}]], with two brackets, before each {name}")
    return tables


def _only(fields: Any, known: set[str], where: str) -> None:
    if not isinstance(fields, dict):
        raise RulesetError(f"{where}: wants a table, and is {fields!r}")
    strange = fields.keys() - known
    if strange:
        raise RulesetError(
            f"{where}: {', '.join(sorted(strange))} means nothing here; known: {', '.join(sorted(known))}"
        )


def _each_once(rules: list[Rule]) -> None:
    seen: dict[str, str] = {}
    for rule in rules:
        if rule.id in seen:
            raise RulesetError(
                f"{rule.file}: rule {rule.id}: {seen[rule.id]} has one of that id; give it another"
            )
        seen[rule.id] = rule.file
