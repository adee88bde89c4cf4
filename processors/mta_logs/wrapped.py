"""Lines of syslog as containers and other syslog daemons write them down: what they put around the line is taken away.

Source: Kubernetes' CRI logging format (`time stream F line`), Docker's json-file driver, `docker logs --timestamps`, `docker compose
logs`; the priority that BusyBox's and FreeBSD's syslogd -vv put behind the host or the time.
"""

import re

import orjson

_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^ \n]{0,16}"
_TIME = rf"(?:[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{{1,9}})?|{_ISO})"
_RUNTIME = re.compile(
    rf"(?:[\w.-]{{1,64}} {{0,64}}\| )?(?:{_ISO} (?:(?:stdout|stderr) F )?(?=<|{_TIME}))?"
).match
_PRIORITY = re.compile(rf"({_TIME} (?:[^ ]{{1,253}} )?)<?[a-z]{{3,8}}\d?\.[a-z]{{3,7}}>? ").match
_DOCKER = ('{"log"', '{"stream"', '{"time"')


def unwrapped(line: str) -> str | None:
    """The line that the program wrote; None where nothing is around it that is known."""
    inner = line
    if line.startswith(_DOCKER):
        try:
            told = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        log = told.get("log") if isinstance(told, dict) else None
        if not isinstance(log, str):
            return None
        inner = log.removesuffix("\n").replace("\n", " ")
    if found := _RUNTIME(inner):
        inner = inner[found.end() :]
    if found := _PRIORITY(inner):
        inner = found[1] + inner[found.end() :]
    return None if inner == line else inner
