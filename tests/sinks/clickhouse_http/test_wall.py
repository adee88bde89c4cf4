"""What the wall lets through: a corpus of usual queries, and none of the attacks, however they are written."""

import json
import logging
import random
import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.clickhouse_http.errors import ClickHouseError
from sinks.clickhouse_http.execution import canonical
from sinks.clickhouse_http.wall import Refused, check
from sinks.clickhouse_http.wall.lists import TABLE_FUNCTIONS
from sinks.engine import Engine

IDENTIFIERS = {"t": "one", "d": "system", "u": "users", "p": "/etc/passwd"}
ALLOWED, REFUSED = (
    [text.strip() for text in Path(__file__).with_name(name).read_text().split("\n;;\n")]
    for name in ("allowed.sql", "refused.sql")
)
COMMENTS = (
    "/**/",
    "/* x */",
    "/* ' */",
    '/* " ( */',
    "-- x\n",
    "--'\n",
    "#!x\n",
    "# y\n",
    "//z\n",
    "/*/*n*/*/",
)
SPACES = (" ", "\t", "\n", "\r\n", "  ", "\v", "\f", "\u00a0", "\u2003", "\ufeff")


def outcome(engine: Engine, statement: str) -> str | None:
    """Why a statement may not run; None if it may."""
    try:
        check(canonical(engine, statement), identifiers=IDENTIFIERS)
    except (Refused, ClickHouseError) as refusal:
        return str(refusal)
    return None


def test_usual_queries_pass(engine: Engine, allowed: str) -> None:
    assert outcome(engine, allowed) is None


def test_attacks_are_refused(engine: Engine, refused: str) -> None:
    assert outcome(engine, refused) is not None


def test_attacks_are_refused_even_as_written(refused: str) -> None:
    """Without ClickHouse's parser in front: the wall alone is enough for all that sqlglot can read."""
    with pytest.raises(Refused):
        check(refused, identifiers=IDENTIFIERS)


def test_what_was_checked_is_what_runs(engine: Engine) -> None:
    approved = check(
        canonical(engine, "select /*c*/ 'a\\'b' -- x\n, $$y'$$ FORMAT JSON settings max_threads=2")
    )
    assert approved.text == r"SELECT 'a\'b', 'y\''"
    assert approved.format == "JSON"
    assert approved.settings == {"max_threads": "2"}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'a' -- file\n",
        "SELECT 1 /* x */",
        "SELECT '\0'",
        "SELECT 'unterminated",
        "SELECT `unterminated",
        "",
        ";",
        "SELECT 1;",
        "SELECT $$x",
    ],
)
def test_text_that_parsers_may_read_differently_is_refused(statement: str) -> None:
    with pytest.raises(Refused):
        check(statement)


def test_every_function_of_the_engine_was_looked_at(engine: Engine) -> None:
    """A new version of chDB may bring functions that read or reach out: somebody must decide."""
    lists = json.loads(files("sinks.clickhouse_http.wall").joinpath("functions.json").read_text())
    connection = engine.connect()
    names = bytes(
        connection.query("SELECT name FROM system.functions WHERE origin = 'System'", "TSV").bytes()
    )
    table_functions = bytes(connection.query("SELECT name FROM system.table_functions", "TSV").bytes())
    connection.close()
    assert set(names.decode().split()) - set(lists["allowed"]) - set(lists["refused"]) == set()
    assert not set(lists["allowed"]) & set(lists["refused"])
    both = {name.lower() for name in table_functions.decode().split()} & {
        name.lower() for name in lists["allowed"]
    }
    assert both <= TABLE_FUNCTIONS


def test_an_unqualified_name_does_not_reach_a_hidden_system_table(engine: Engine) -> None:
    for statement in ("SELECT * FROM users", "SELECT 1 IN users", "DESCRIBE users", "EXISTS users"):
        with pytest.raises(Refused):
            check(canonical(engine, statement), database="system")
    check(canonical(engine, "SELECT * FROM tables"), database="system")


def test_only_plain_names_as_identifiers(engine: Engine) -> None:
    text = canonical(engine, "SELECT * FROM {table:Identifier}")
    assert check(text, identifiers={"table": "mail"}).text == "SELECT * FROM `mail`"
    for value in ("/etc/passwd", "a.b", "a`b", "", "a b", "x\n"):
        with pytest.raises(Refused):
            check(text, identifiers={"table": value})


def disguised(statement: str, random_: random.Random, *, change_case: bool) -> str:
    """The same statement, with other spaces, comments, and upper and lower case."""
    parts = re.split(r"('(?:[^'\\]|\\.|'')*'|\{[^}]*\}|`[^`]*`|\"[^\"]*\"|\$\$.*?\$\$|\s+|[(),])", statement)
    out: list[str] = []
    for part in parts:
        if not part:
            continue
        if part.isspace():
            gap = random_.choice((*SPACES[:5], *COMMENTS))
            out.append(f" {gap} " if random_.random() < 0.7 else random_.choice(SPACES[:5]))
        elif part in "(),":
            out.append(random_.choice(("", " ", "/**/", "\n")) + part + random_.choice(("", " ", "/*(*/")))
        elif change_case and part[0] not in "'`\"${":
            out.append("".join(random_.choice((letter.upper(), letter.lower())) for letter in part))
        else:
            out.append(part)
    return "".join(out)


FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(statement=st.sampled_from(REFUSED), random_=st.randoms(use_true_random=False), case=st.booleans())
def test_no_disguise_helps(engine: Engine, statement: str, random_: random.Random, case: bool) -> None:
    mask = disguised(statement, random_, change_case=case)
    # SELECT 1 with a comment that swallowed the rest of it would be no attack any more; none of the masks does.
    assert outcome(engine, mask) is not None
    with pytest.raises(Refused):
        check(mask, identifiers=IDENTIFIERS)


@FUZZ
@given(statement=st.sampled_from(ALLOWED), random_=st.randoms(use_true_random=False))
def test_spaces_and_comments_do_no_harm(engine: Engine, statement: str, random_: random.Random) -> None:
    assert outcome(engine, disguised(statement, random_, change_case=False)) is None


@FUZZ
@given(text=st.text(max_size=60), statement=st.sampled_from(REFUSED), at=st.floats(0, 1))
def test_garbage_is_refused_or_still_harmless(engine: Engine, text: str, statement: str, at: float) -> None:
    """Whatever stands in an attack's way: if it passes, no name of a source is in front of a parenthesis."""
    cut = int(at * len(statement))
    try:
        approved = check(canonical(engine, statement[:cut] + text + statement[cut:]), identifiers=IDENTIFIERS)
    except (Refused, ClickHouseError):
        return
    plain = re.sub(r"'(?:[^'\\]|\\.)*'", "''", approved.text)
    assert not re.search(r"\b(file|url|s3|remote|mysql|python|executable|sqlite|merge)\b`?\(", plain, re.I)
    assert not re.search(r"\bOUTFILE\b", plain)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM numbers(1) AS a" + " CROSS JOIN numbers(1)" * 300,
        "SELECT 1 FROM (SELECT 1 FROM a, b" + ", c" * 300 + ")",
        "EXPLAIN SELECT 1 FROM a" + " INNER JOIN b ON 1" * 300,
        "SELECT 1" + " UNION ALL SELECT 1" * 600,
        "SELECT " + ", ".join(f"sum(a) OVER (ORDER BY b + {n})" for n in range(150)) + " FROM t",
        "SELECT 1 FROM t GROUP BY GROUPING SETS (" + ", ".join(f"(a + {n})" for n in range(300)) + ")",
        "SELECT 1 FROM t GROUP BY CUBE(" + ", ".join(f"a{n}" for n in range(20)) + ")",
        "SELECT 1 FROM t GROUP BY " + ", ".join(f"a{n}" for n in range(20)) + " WITH CUBE",
        "SELECT 1 IN (" + ", ".join(map(str, range(30_000))) + ")",
    ],
)
def test_what_is_too_large_for_the_engine_to_plan_is_refused(engine: Engine, statement: str) -> None:
    """Some thousand joined tables overflow a thread's stack, which is the end of the engine."""
    with pytest.raises(Refused, match="are the most"):
        check(canonical(engine, statement))


def test_an_array_s_index_is_nothing_to_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        check("SELECT [1, 2][-1]")
    assert not caplog.records


def test_an_identifier_s_type_is_nothing_but_that() -> None:
    with pytest.raises(Refused):
        check("SELECT {a:Identifier (x)}", identifiers={"a": "file"})
