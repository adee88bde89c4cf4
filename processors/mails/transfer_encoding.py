"""Content-Transfer-Encoding undone (RFC 2045, 6), as mail arrives: with wrong characters and without padding."""

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


def decoded(body: bytes, encoding: str) -> bytes:
    """The body with a Content-Transfer-Encoding undone; unknown ones are left as they are."""
    match encoding:
        case "base64":
            return from_base64(body)
        case "quoted-printable":
            return binascii.a2b_qp(body)
        case _:
            return body


def from_base64(text: bytes) -> bytes:
    """Base64 as it arrives: other characters are skipped, missing padding is made up for."""
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        digits = _NOT_BASE64.sub(b"", text)
        digits = digits[: len(digits) - 1] if len(digits) % 4 == 1 else digits
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
