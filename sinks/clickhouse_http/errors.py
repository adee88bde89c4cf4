"""Errors as ClickHouse words them: a number, a name and a message, and the HTTP status that goes with them."""

import re

UNKNOWN_DATABASE = 81
UNKNOWN_TABLE = 60
BAD_ARGUMENTS = 36
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
QUERY_IS_TOO_LARGE = 223
CANNOT_DECOMPRESS = 271
UNKNOWN_FORMAT = 73
SOCKET_TIMEOUT = 209
TIMEOUT_EXCEEDED = 159
READONLY = 164
TOO_MANY_SIMULTANEOUS_QUERIES = 202
AUTHENTICATION_FAILED = 516
SETTING_CONSTRAINT_VIOLATION = 452
UNKNOWN_EXCEPTION = 1002

_NAMES = {
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
    UNKNOWN_FORMAT: "UNKNOWN_FORMAT",
    SOCKET_TIMEOUT: "SOCKET_TIMEOUT",
    READONLY: "READONLY",
    TOO_MANY_SIMULTANEOUS_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    SETTING_CONSTRAINT_VIOLATION: "SETTING_CONSTRAINT_VIOLATION",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
}

# ClickHouse's exceptionCodeToHTTPStatus, as far as these can happen here; 500 is the rest.
_STATUS = {
    6: 400,  # CANNOT_PARSE_TEXT
    27: 400,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
    BAD_ARGUMENTS: 400,
    43: 400,  # ILLEGAL_TYPE_OF_ARGUMENT
    46: 404,  # UNKNOWN_FUNCTION
    47: 404,  # UNKNOWN_IDENTIFIER
    NOT_IMPLEMENTED: 501,
    53: 400,  # TYPE_MISMATCH
    UNKNOWN_TABLE: 404,
    SYNTAX_ERROR: 400,
    UNKNOWN_FORMAT: 404,
    UNKNOWN_DATABASE: 404,
    115: 404,  # UNKNOWN_SETTING
    TIMEOUT_EXCEEDED: 408,
    READONLY: 403,
    TOO_MANY_SIMULTANEOUS_QUERIES: 503,
    SOCKET_TIMEOUT: 503,
    QUERY_IS_TOO_LARGE: 413,
    CANNOT_DECOMPRESS: 400,
    SETTING_CONSTRAINT_VIOLATION: 403,
    456: 400,  # UNKNOWN_QUERY_PARAMETER
    457: 400,  # BAD_QUERY_PARAMETER
    AUTHENTICATION_FAILED: 403,
}

_CODE = re.compile(r"Code: (\d+)\. ")


class ClickHouseError(Exception):
    """An error to answer with: `code` as in ClickHouse's system.errors, `text` as its HTTP interface words it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @classmethod
    def of(cls, code: int, message: str) -> "ClickHouseError":
        """An error of this interface's own."""
        return cls(code, f"Code: {code}. DB::Exception: {message} ({_NAMES[code]})")

    @classmethod
    def from_engine(cls, message: str) -> "ClickHouseError":
        """The error that the engine raised with this message."""
        found = _CODE.search(message)
        if found is None:
            return cls.of(UNKNOWN_EXCEPTION, message)
        return cls(int(found[1]), message[found.start() :])

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse answers this code with."""
        return _STATUS.get(self.code, 500)
