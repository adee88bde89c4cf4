"""Environment variables MAILWAKE_... that set nothing: of a mistyped name, or of another version."""

import re
from collections.abc import Iterable, Mapping

PREFIX = "MAILWAKE_"
"""What the names of all settings begin with in the environment."""
ELSEWHERE = frozenset({"CONFIG", "DASHBOARDS", "VERSION"})
"""Variables that are no settings: the file of these, Grafana's dashboards, and the image's version in compose."""

_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$").search


def unknown_variables(environment: Mapping[str, str], settings: Iterable[str]) -> tuple[str, ...]:
    """What to say of each MAILWAKE_* variable that sets nothing, with the name most like its own."""
    known = {name.upper() for name in settings} | ELSEWHERE
    ours = sorted(name.removeprefix(PREFIX) for name in environment if name.startswith(PREFIX))
    strange = [
        name for name in ours if name.upper() not in known and not _is_link(name, environment[PREFIX + name])
    ]
    if not strange:
        return ()
    from difflib import get_close_matches

    close = [get_close_matches(name, sorted(known), 1) for name in strange]
    return tuple(
        f"{PREFIX}{name}" + (f" (did you mean {PREFIX}{like[0]}?)" if like else "")
        for name, like in zip(strange, close, strict=True)
    )


def _is_link(name: str, value: str) -> bool:
    """Whether Kubernetes says with it where a Service named mailwake-... is."""
    return bool(_LINK(name)) or (name.endswith("PORT") and "://" in value)
