"""Values written into ClickHouse's SQL, where no query parameter can stand."""

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0"})


def quoted(text: str) -> str:
    """A text as a string literal."""
    return f"'{text.translate(_ESCAPES)}'"
