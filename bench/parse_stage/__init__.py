"""What bench/mails.py and bench/dmarc.py measure alike: documents through the parse stage, the best of a few rounds."""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256

from processors.documents.stage import DocumentStage
from processors.stage import Slice
from schemas.codec import encode
from schemas.documents import DocumentReceived
from schemas.keyring import NO_KEYS, TenantKeys

ROUNDS = 3


def received(content: bytes, number: int, at: int, source: str = "mailwake") -> bytes:
    """The framed document that this becomes; `at` in ms."""
    return encode(
        DocumentReceived(
            event_id=DocumentReceived.id_of("default", str(number)),
            occurred_at=at,
            recorded_at=at,
            source=source,
            receipt_id=str(number),
            sha256=sha256(content).hexdigest(),
            size=len(content),
            content=content,
        )
    )


def staged(values: Sequence[bytes], keys: TenantKeys = NO_KEYS) -> int:
    """Run these documents through a fresh stage; how many events and outcomes came."""
    stage = DocumentStage(lambda tenant, digest: None, keys=keys)
    stage.take(Slice("documents", 0, 0, len(values), range(len(values)), values))
    return len(stage.flush().emissions)


def best(work: Callable[[], object]) -> float:
    """The shortest of a few rounds, seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def told(
    doc: str | None, measure: Callable[[], Mapping[str, float]], lines: Mapping[str, tuple[str, str]]
) -> None:
    """Measure and print: one JSON object with `--json`, else a line for each name with its words and its unit."""
    arguments = argparse.ArgumentParser(description=doc)
    arguments.add_argument("--json", action="store_true", help="one JSON object")
    as_json = arguments.parse_args().json
    measured = measure()
    print(json.dumps(measured) if as_json else "\n".join(_lines(measured, lines)))


def _lines(measured: Mapping[str, float], lines: Mapping[str, tuple[str, str]]) -> Iterable[str]:
    width = max(len(words) for words, _ in lines.values())
    for name, (words, unit) in lines.items():
        yield f"{words:<{width}} {measured[name]:>9,} {unit}"
