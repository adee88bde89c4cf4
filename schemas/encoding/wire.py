"""Avro's binary encoding by hand, for the two things no library does: its numbers alone, and a strict walk.

fastavro forgives what polars does not (a text cut short, a negative length, a boolean of 7) and the other way
round (a union's branch that does not exist). `canonical` is the judge between them.

Source: Avro 1.11, 'Binary Encoding'.
"""

from typing import Any


class Undecodable(ValueError):
    """Bytes that are no record of ours; the message says why."""


def write_long(number: int) -> bytes:
    """A number in Avro's variable-length zig-zag coding."""
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """The number at a position, and where the next value begins. Raises Undecodable."""
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise Undecodable(f"ends in the middle of a number, at byte {at}")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            value &= 0xFFFF_FFFF_FFFF_FFFF
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    raise Undecodable(f"a number of more than 64 bits at byte {at - 10}")


def canonical(schema: Any, body: bytes) -> bytes:
    """The body as a careful writer would have written it: shortest numbers, arrays in one block without size.

    `schema` is a committed one without logical types. A union's branch other than 0 (null) stands for its value,
    which is how polars reads it. Raises Undecodable, naming the field and the byte.
    """
    out = bytearray()
    end = copy_value(schema, body, 0, out, "")
    if end != len(body):
        raise Undecodable(f"{len(body) - end} bytes too many after the body")
    return bytes(out)


def copy_value(schema: Any, data: bytes, at: int, out: bytearray, where: str) -> int:
    """Append the canonical form of the value at a position to `out`; where the next one begins."""
    if isinstance(schema, list):
        branch, at = _number(data, at, where)
        out.append(2 if branch else 0)
        return copy_value(schema[1], data, at, out, where) if branch else at
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        for field in schema["fields"]:
            at = copy_value(field["type"], data, at, out, f"{where}.{field['name']}".lstrip("."))
        return at
    if kind == "array":
        items = bytearray()
        count, at = copy_items(schema["items"], data, at, items, where)
        out += write_long(count) + items + b"\0" if count else b"\0"
        return at
    if kind in ("string", "bytes"):
        size, at = _number(data, at, where)
        out += write_long(size) + _text(data, at, size, kind, where)
        return at + size
    if kind in ("long", "int"):
        number, at = _number(data, at, where)
        out += write_long(number)
        return at
    if kind not in ("boolean", "double"):
        raise TypeError(f"{where}: {kind} is no type of ours")
    size = 1 if kind == "boolean" else 8
    raw = _bytes(data, at, size, where)
    if kind == "boolean" and raw > b"\1":
        raise Undecodable(f"{where}: a boolean of {raw[0]} at byte {at}")
    out += raw
    return at + size


def copy_items(schema: Any, data: bytes, at: int, out: bytearray, where: str) -> tuple[int, int]:
    """Append an array's items, without counts and sizes, to `out`; how many there are, and the next position."""
    total = 0
    while True:
        count, at = _number(data, at, where)
        if not count:
            return total, at
        if count < 0:
            _, at = _number(data, at, where)
            count = -count
        if count > len(data) - at:
            raise Undecodable(f"{where}: a block of {count} items in {len(data) - at} bytes at byte {at}")
        total += count
        for _ in range(count):
            at = copy_value(schema, data, at, out, where + "[]")


def _number(data: bytes, at: int, where: str) -> tuple[int, int]:
    try:
        return read_long(data, at)
    except Undecodable as error:
        raise Undecodable(f"{where}: {error}") from None


def _bytes(data: bytes, at: int, size: int, where: str) -> bytes:
    if not 0 <= size <= len(data) - at:
        raise Undecodable(f"{where}: {size} bytes of {len(data) - at} left at byte {at}")
    return data[at : at + size]


def _text(data: bytes, at: int, size: int, kind: str, where: str) -> bytes:
    raw = _bytes(data, at, size, where)
    if kind == "string":
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            raise Undecodable(f"{where}: no UTF-8 at byte {at + error.start}") from None
    return raw
