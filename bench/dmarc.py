"""How fast aggregate reports become events, next to a bare pass of the XML parser: `python bench/dmarc.py`.

One report of 10,000 records with distinct addresses, and 500 reports of two records, gzipped as they arrive;
each through the parse stage, from the framed document to the framed events. `--json` prints one JSON object.
"""

import argparse
import gzip
import json
import resource
import time
from collections.abc import Callable
from hashlib import sha256
from xml.parsers import expat

from processors.documents.stage import DocumentStage
from processors.stage import Slice
from schemas.codec import encode
from schemas.documents import DocumentReceived

RECORDS = 10_000
REPORTS = 500
ROUNDS = 3

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<feedback><report_metadata><org_name>receiver.example</org_name><email>dmarc@receiver.example</email>
<report_id>{number}</report_id><date_range><begin>1709683200</begin><end>1709769599</end></date_range>
</report_metadata><policy_published><domain>example.com</domain><adkim>r</adkim><aspf>r</aspf><p>reject</p>
<sp>none</sp><pct>100</pct></policy_published>
"""
_RECORD = """<record><row><source_ip>10.{a}.{b}.{c}</source_ip><count>{c}</count><policy_evaluated>
<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers>
<header_from>example.com</header_from><envelope_from>bounce.example.com</envelope_from></identifiers>
<auth_results><dkim><domain>example.com</domain><selector>s{b}</selector><result>pass</result></dkim>
<spf><domain>bounce.example.com</domain><scope>mfrom</scope><result>softfail</result></spf></auth_results></record>
"""


def report(number: int, records: int) -> bytes:
    """An aggregate report with so many records."""
    rows = (_RECORD.format(a=n >> 16, b=n >> 8 & 255, c=n & 255) for n in range(records))
    return f"{_HEAD.format(number=number)}{''.join(rows)}</feedback>".encode()


def received(content: bytes, number: int) -> bytes:
    """The framed document that this becomes."""
    return encode(
        DocumentReceived(
            event_id=DocumentReceived.id_of("default", str(number)),
            occurred_at=1_709_800_000_000,
            recorded_at=1_709_800_000_000,
            receipt_id=str(number),
            sha256=sha256(content).hexdigest(),
            size=len(content),
            content=content,
        )
    )


def staged(values: list[bytes]) -> int:
    """Run these documents through a fresh stage; how many events and outcomes came."""
    stage = DocumentStage(lambda tenant, digest: None)
    stage.take(Slice("documents", 0, 0, len(values), range(len(values)), values))
    return len(stage.flush().emissions)


def bare(content: bytes) -> int:
    """What the XML parser alone costs: every tag and text told to Python, nothing done with it."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: None
    parser.EndElementHandler = lambda name: None
    parser.CharacterDataHandler = lambda text: None
    return parser.Parse(content, True)


def best(work: Callable[[], object]) -> float:
    """The shortest of a few rounds, seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure() -> dict[str, float]:
    """Rates per second, and the process's peak memory."""
    large = report(0, RECORDS)
    one = [received(gzip.compress(large), 0)]
    small = [received(gzip.compress(report(number, 2)), number) for number in range(REPORTS)]
    if staged(one) != RECORDS + 2 or staged(small) != REPORTS * 4:
        raise SystemExit("the stage did not give every record")
    large_seconds, small_seconds = best(lambda: staged(one)), best(lambda: staged(small))
    return {
        "records_per_second": round(RECORDS / large_seconds),
        "bare_expat_records_per_second": round(RECORDS / best(lambda: bare(large))),
        "small_reports_per_second": round(REPORTS / small_seconds),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="one JSON object")
    as_json = arguments.parse_args().json
    measured = measure()
    if as_json:
        print(json.dumps(measured))
        return
    print(f"one report of {RECORDS:,} records   {measured['records_per_second']:>8,} records/s")
    print(f"  bare expat pass           {measured['bare_expat_records_per_second']:>8,} records/s")
    print(f"reports of 2 records        {measured['small_reports_per_second']:>8,} reports/s")
    print(f"peak memory                 {measured['peak_mb']:>8,} MB")


if __name__ == "__main__":
    main()
