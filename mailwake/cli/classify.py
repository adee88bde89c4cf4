"""`mailwake classify`: what replies mean, a JSON object a line."""

import difflib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

if TYPE_CHECKING:
    from processors.classification.classify import Reply, Ruleset

LONGEST_LINE = 1 << 20
"""Bytes of a line; a longer one is bad, and is not kept in memory."""

WANTED = '{"text": "…", "smtp_code"?: 550, "enhanced_code"?: "5.1.1", "mx"?: "host", "provider"?: "gmail"}'


def classify(
    file: Annotated[
        Path | None, typer.Argument(help="JSON lines; standard input where not given.", show_default=False)
    ] = None,
    ruleset: Annotated[
        str | None,
        typer.Option(help="A ruleset's name, or its folder; the newest where not given.", show_default=False),
    ] = None,
) -> None:
    """Say what receivers' replies mean: JSON lines on stdin or in a file, one answer a line, in their order.

    A line that can't be understood is answered by {"line", "error"}; the others are answered all the same, and the
    exit code is 1. An empty line is one of those.

    Example: echo '{"text": "550 5.1.1 user unknown"}' | mailwake classify
    """
    from mailwake.cli.failures import NOT_SO, USAGE, CommandFailed
    from processors.classification.matching import matcher_of
    from processors.classification.ruleset import RulesetError, active_ruleset, ruleset_named

    try:
        rules = active_ruleset() if ruleset is None else ruleset_named(ruleset)
        matcher_of(rules)  # So that a wrong pattern shows before the first line.
    except RulesetError as error:
        raise CommandFailed(str(error), USAGE) from None
    if file is None:
        bad = _answer_all(sys.stdin.buffer, rules)
    else:
        with file.open("rb") as lines:
            bad = _answer_all(lines, rules)
    if bad:
        raise typer.Exit(NOT_SO)


def _answer_all(lines: BinaryIO, ruleset: "Ruleset") -> int:
    bad = 0
    for number, line in _lines(lines):
        try:
            answer = _answer(line, ruleset)
        except _BadLine as error:
            bad += 1
            answer = {"line": number, "error": f"line {number}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
    return bad


class _BadLine(ValueError):
    """A line is no reply; the message says what is wrong and what is wanted."""


def _lines(lines: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Number and bytes of each line; None for one that is too long."""
    number = 0
    while line := lines.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) <= LONGEST_LINE or line.endswith(b"\n"):
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = lines.readline(LONGEST_LINE)
        yield number, None


def _answer(line: bytes | None, ruleset: "Ruleset") -> dict[str, Any]:
    from processors.classification.classify import classify as verdict_on

    verdict = verdict_on(_reply(line), ruleset)
    return {
        "class": verdict.bounce_class,
        "leaf": verdict.leaf,
        "address_fatal": verdict.address_fatal,
        "after": verdict.after,
        "message_fatal": verdict.message_fatal,
        "scope": verdict.scope,
        "action": verdict.action,
        "rule": verdict.rule,
        "layer": verdict.layer,
        "ruleset": ruleset.name,
    }


_CODE = re.compile(r"[2-5]\d\d")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def _reply(line: bytes | None) -> "Reply":
    from processors.classification.classify import Reply

    if line is None:
        raise _BadLine(
            f"longer than {LONGEST_LINE:,} bytes; give less of the text, 4,096 characters are looked at"
        )
    if not line.strip():
        raise _BadLine(f"empty; wanted: {WANTED}")
    try:
        fields = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _BadLine(f"not JSON in UTF-8 ({error}); wanted: {WANTED}") from None
    if not isinstance(fields, dict):
        raise _BadLine(f"an object is wanted: {WANTED}")
    if "text" not in fields:
        raise _BadLine(f"lacks text; wanted: {WANTED}")
    code = fields.get("smtp_code")
    if code is not None and (isinstance(code, bool) or not _CODE.fullmatch(str(code))):
        raise _BadLine(f"smtp_code is {_shown(code)}, and wants a number from 200 to 599, or null")
    enhanced = _string(fields, "enhanced_code", "a string as 5.1.1")
    if enhanced is not None and not _ENHANCED.fullmatch(enhanced):
        raise _BadLine(f"enhanced_code is {_shown(enhanced)}, and wants a string as 5.1.1, or null")
    return Reply(
        text=_string(fields, "text", "a string"),
        smtp_code=None if code is None else int(code),
        enhanced_code=enhanced,
        mx=_string(fields, "mx", "a host's name"),
        provider=_provider(fields),
    )


def _provider(fields: dict[str, Any]) -> str | None:
    from processors.classification.providers import provider_names

    name = _string(fields, "provider", "a provider's name")
    known = {*provider_names(), "other"}
    if name is None or name in known:
        return name
    close = difflib.get_close_matches(name.lower(), known, 1)
    wanted = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"
    raise _BadLine(f"provider is {_shown(name)}, which is none that is known: {wanted}")


def _string(fields: dict[str, Any], name: str, wanted: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise _BadLine(f"{name} is {_shown(value)}, and wants {wanted}, or null")
    return value


def _shown(value: object) -> str:
    shown = json.dumps(value)
    return shown if len(shown) < 60 else f"{shown[:60]}…"
