"""How fast aggregate reports become events, next to a bare pass of the XML parser: `python bench/dmarc.py`.

One report of 10,000 records with distinct addresses, and 500 reports of two records, gzipped as they arrive;
each through the parse stage, from the framed document to the framed events. `--json` prints one JSON object.
"""

import gzip
import resource
from xml.parsers import expat

from parse_stage import best, received, staged, told

RECORDS = 10_000
REPORTS = 500
AT = 1_709_800_000_000

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


def bare(content: bytes) -> int:
    """What the XML parser alone costs: every tag and text told to Python, nothing done with it."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: None
    parser.EndElementHandler = lambda name: None
    parser.CharacterDataHandler = lambda text: None
    return parser.Parse(content, True)


def measure() -> dict[str, float]:
    """Rates per second, and the process's peak memory."""
    large = report(0, RECORDS)
    one = [received(gzip.compress(large), 0, AT)]
    small = [received(gzip.compress(report(number, 2)), number, AT) for number in range(REPORTS)]
    if staged(one) != RECORDS + 2 or staged(small) != REPORTS * 4:
        raise SystemExit("the stage did not give every record")
    large_seconds, small_seconds = best(lambda: staged(one)), best(lambda: staged(small))
    return {
        "records_per_second": round(RECORDS / large_seconds),
        "bare_expat_records_per_second": round(RECORDS / best(lambda: bare(large))),
        "small_reports_per_second": round(REPORTS / small_seconds),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


LINES = {
    "records_per_second": (f"one report of {RECORDS:,} records", "records/s"),
    "bare_expat_records_per_second": ("  bare expat pass", "records/s"),
    "small_reports_per_second": ("reports of 2 records", "reports/s"),
    "peak_mb": ("peak memory", "MB"),
}

if __name__ == "__main__":
    told(__doc__, measure, LINES)
