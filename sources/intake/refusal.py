"""What a request that is not taken is told: a status, a word for programs, a sentence for people."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

_JSON_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class Refused(Exception):
    """A request that is not taken. Nothing of it is kept, unless `details` says otherwise."""

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.error, self.details = status, error, dict(details or {})
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def response(self) -> Response:
        """As an answer."""
        said = {"error": self.error, "message": str(self), **self.details}
        return answer(said, self.status, self.headers)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON, which nobody on the way should keep."""
    return _Json(orjson.dumps(value) + b"\n", status, headers or {})


class _Json(Response):
    """As starlette's, made with less ado."""

    media_type = "application/json"

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.body, self.status_code, self.background = body, status, None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            *_JSON_HEADERS,
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
        ]
