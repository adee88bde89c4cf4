"""Erased from JSON it stays JSON, and quotes around an address are not its own, unless they are."""

import json

import pytest

from mailwake.privacy.traces import Traces

STAND_IN = f"erased.{'a' * 32}@example.com"


def events_of(address: str) -> list[dict[str, object]]:
    return [{"email": address, "at": 1}, {"email": "other.joe@example.com", "headers": [f"Jane <{address}>"]}]


def in_json(address: str) -> str:
    return json.dumps(events_of(address))


JSON = {
    "an array": in_json,
    "an object": lambda a: json.dumps({"event-data": {"recipient": a, "list": [a, a]}}),
    "in lines": lambda a: "\n".join(map(json.dumps, events_of(a))),
    "JSON in JSON": lambda a: json.dumps({"Type": "Notification", "Message": in_json(a)}),
    "thrice": lambda a: json.dumps([json.dumps({"Message": in_json(a)})]),
    "a key": lambda a: json.dumps({a: 1, "to": {a: [a]}}),
    "in ASCII": lambda a: json.dumps({"to": a}).replace("@", "\\u0040"),
}  # fmt: skip


def plain(text: str) -> object:
    """JSON with all JSON in it parsed."""

    def parsed(one: object) -> object:
        if isinstance(one, str) and one[:1] in ("[", "{"):
            return parsed(json.loads(one))
        if isinstance(one, dict):
            return {name: parsed(value) for name, value in one.items()}
        return [parsed(each) for each in one] if isinstance(one, list) else one

    return [parsed(json.loads(line)) for line in text.splitlines()]


@pytest.mark.parametrize("written", ["jane@example.com", '"jane"@example.com', "Jane@EXAMPLE.com"])
@pytest.mark.parametrize("shape", JSON)
def test_json_stays_json(shape: str, written: str) -> None:
    without = Traces.of("jane@example.com", STAND_IN).taken_out_of(JSON[shape](written).encode())
    assert without is not None and plain(without.decode()) == plain(JSON[shape](STAND_IN))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_json_in_wide_letters_stays_json(encoding: str) -> None:
    content = in_json("jane@example.com").encode(encoding)
    without = Traces.of("jane@example.com", STAND_IN).taken_out_of(content)
    assert without is not None and without.decode(encoding) == in_json(STAND_IN)


@pytest.mark.parametrize(
    "around",
    [
        'data-to="{}" x',
        "data-to='{}' x",
        'a,"{}","b"\r\n',
        '"{}";"{}"',
        '"Jane" <{}>',
        '"{}" <{}>',
        '"{}, and more"',
        "to=%22{}%22&x=1",
        "to=%5B%22{}%22%5D",
        "data-to=3D=22{}=22",
        "&quot;{}&quot;",
        "&#34;{}&#34;",
        r"\"{}\"",
        r"\\\"{}\\\"",
        r"\u0022{}\u0022",
        '""{}""',
        '"""{}"""',
    ],
)
def test_a_quote_around_it_is_not_its_own(around: str) -> None:
    traces = Traces.of("john@example.com", STAND_IN)
    content = around.replace("{}", "john@example.com").encode()
    assert traces.taken_out_of(content) == around.replace("{}", STAND_IN).encode()


QUOTED = {
    'to "{}"@example.com!': "to {}!",
    'x <"{}"@example.com>': "x <{}>",
    r'{"to":"\"{}\"@example.com"}': '{"to":"{}"}',
    r'"{\"to\":\"\\\"{}\\\"@example.com\"}"': r'"{\"to\":\"{}\"}"',
    r"\u0022{}\u0022\u0040example.com": "{}",
    "to=%22{}%22%40example.com&x=1": "to={}&x=1",
    "=22{}=22@example.com": "{}",
    "&quot;{}&quot;@example.com": "{}",
    "&#34;{}&#34;&#64;example.com": "{}",
    'a,"""{}""@example.com",b': 'a,"{}",b',
}
"""A quoted local part as it is written, and what the stand-in takes the place of."""


@pytest.mark.parametrize("written", QUOTED)
@pytest.mark.parametrize("local", ["jane doe", "jane"])
def test_the_quotes_of_a_quoted_local_part_go_with_it(written: str, local: str) -> None:
    traces = Traces.of(f"{local}@example.com", STAND_IN)
    content = written.replace("{}", local).encode()
    assert traces.found_in(content)
    assert traces.taken_out_of(content) == QUOTED[written].replace("{}", STAND_IN).encode()
