"""What a request to ClickHouse's HTTP interface says, apart from its body's bytes."""

import base64
import contextlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sinks.clickhouse_http.errors import BAD_ARGUMENTS, ClickHouseError
from sinks.clickhouse_http.settings import TRANSPORT

WRITER = "mailwake"
"""The user name that goes with the token where a client wants one."""

_PARAMETER = "param_"
_LONGEST_NUMBER = 9
_INSERT_WITH_DATA = re.compile(
    rb"\s*(INSERT\s+INTO\s+(?:(?!\sVALUES\s*\(|\sSELECT\s).)+?)\s+FORMAT\s+(\w+)[ \t]*;?[ \t\r]*(?:\n|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_FORMAT = re.compile(r"\w+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Query:
    """The request's parameters, from its URL, its headers and, in a form, its body.

    `text` is the part of the statement that is in the URL: the body goes on from there.
    """

    text: str
    database: str | None
    default_format: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    query_id: str = ""
    blocks_out: bool = False
    blocks_in: bool = False
    http_compression: bool = True
    protocol_version: int = 0
    readonly: bool = False
    """Whether it asks to be refused if it writes, whoever sends it."""


def parsed(arguments: Mapping[str, str], headers: Mapping[str, str], query_id: str) -> Query:
    """Read the arguments of a request.

    Raises:
        ClickHouseError: one of them makes no sense.
    """
    output_format = arguments.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    if not _FORMAT.match(output_format):
        raise ClickHouseError.of(BAD_ARGUMENTS, f"{output_format!r} is not the name of a format")
    version = arguments.get("client_protocol_version", "0")
    if not version.isdecimal() or len(version) > _LONGEST_NUMBER:
        raise ClickHouseError.of(BAD_ARGUMENTS, f"client_protocol_version must be a number, not {version!r}")
    return Query(
        text=arguments.get("query", ""),
        database=arguments.get("database") or headers.get("X-ClickHouse-Database") or None,
        default_format=output_format,
        parameters={
            name.removeprefix(_PARAMETER): value
            for name, value in arguments.items()
            if name.startswith(_PARAMETER)
        },
        settings={
            name: value
            for name, value in arguments.items()
            if name not in TRANSPORT and not name.startswith(_PARAMETER)
        },
        query_id=arguments.get("query_id") or query_id,
        blocks_out=_is_set(arguments, "compress", default=False),
        blocks_in=_is_set(arguments, "decompress", default=False),
        http_compression=_is_set(arguments, "enable_http_compression", default=True),
        protocol_version=int(version),
        readonly=arguments.get("readonly", "0") != "0",
    )


def _is_set(arguments: Mapping[str, str], name: str, *, default: bool) -> bool:
    return arguments.get(name, "1" if default else "0").lower() in {"1", "true"}


def claims_token(headers: Mapping[str, str]) -> bool:
    """Whether the request means to have the token: then a wrong one is an error, not a reader."""
    user = headers.get("X-ClickHouse-User", "")
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            user = base64.b64decode(credentials).decode().partition(":")[0]
    return "X-Mailwake-Token" in headers or user == WRITER


def holds_token(headers: Mapping[str, str], token: str) -> bool:
    """Whether the request has the token, in X-Mailwake-Token, X-ClickHouse-Key or as the password."""
    found = [headers.get("X-Mailwake-Token", ""), headers.get("X-ClickHouse-Key", "")]
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            found.append(base64.b64decode(credentials, validate=True).decode().partition(":")[2])
        except ValueError:
            return False
    matches = [
        hmac.compare_digest(candidate.encode(errors="surrogateescape"), token.encode()) for candidate in found
    ]
    return any(matches)


def insert_with_data(text: bytes) -> tuple[str, str, int] | None:
    """Split `INSERT INTO … FORMAT x` from the rows behind it.

    Returns:
        The statement without FORMAT, the format, and where the rows begin; None if this is no such insert.
    """
    found = _INSERT_WITH_DATA.match(text)
    if found is None or found[2].lower() == b"values":
        return None
    return found[1].decode(errors="replace"), found[2].decode(), found.end()


def headers_are_local(headers: Mapping[str, str], names: frozenset[str]) -> bool:
    """Whether the request was meant for this machine, and not sent by a web page of another one.

    A page elsewhere can have its own name point to 127.0.0.1 (DNS rebinding); the Host header tells. Or it can
    send a query without being able to read the answer; Origin and, in newer browsers, Sec-Fetch-Site tell.
    """
    host = headers.get("Host", "").strip().lower()
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name.strip("[]") not in names or headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return False
    origin = headers.get("Origin")
    try:
        return origin is None or urlsplit(origin).hostname in names
    except ValueError:
        return False
