import json
from pathlib import Path
from typing import Any

import pytest
from reports import corpus, record, report

from processors.dmarc.report import NotAReport, ParsedReport, parse_report

XML = report()


def parsed(text: str | bytes) -> ParsedReport:
    return parse_report(text.encode() if isinstance(text, str) else text)


def row(text: str) -> dict[str, Any]:
    (only,) = parsed(text).rows
    return only


def test_every_real_report_gives_all_its_records() -> None:
    files = corpus()
    assert len(files) >= 10
    for path in files:
        content = path.read_bytes()
        found = parsed(content)
        assert len(found.rows) == content.count(b"<record>"), path.name
        counts = [int(part.split(b"</count>")[0]) for part in content.split(b"<count>")[1:]]
        assert [r["count"] for r in found.rows] == counts
        assert not found.is_partial
        assert found.org_name is not None
        assert found.about["email"] is not None


def real(name: str) -> ParsedReport:
    return parsed(next(path for path in corpus() if path.name == name).read_bytes())


def test_what_a_real_rfc7489_report_says() -> None:
    found = real("acme.xml")
    assert (found.format, found.org_name, found.report_id) == ("rfc7489", "acme.com", "9391651994964116463")
    assert (found.policy_domain, found.begin, found.end) == ("example.com", 1335571200000, 1335657599000)
    assert found.about["errors"] == ["There was a sample error."]
    assert (found.about["p"], found.about["pct"], found.about["fo"]) == ("none", 100, "1")
    (only,) = found.rows
    assert only["reasons"] == [
        {"type": "other", "comment": "DMARC Policy overridden for incoherent example."}
    ]
    assert only["dkim_results"][0]["selector"] == "examplesselector"
    assert only["dkim_results"][0]["human_result"] == "Incoherent example"
    assert only["spf_results"][0]["scope"] == "helo"
    assert (only["dkim"], only["spf"], only["dmarc_pass"]) == ("fail", "pass", True)
    assert (only["envelope_from"], only["envelope_to"]) == ("example.com", "acme.com")


def test_what_a_real_rfc9990_report_says() -> None:
    found = real("gmxnet.xml")
    assert found.format == "rfc9990"
    assert (found.about["discovery_method"], found.about["testing"]) == ("psl", "n")
    assert found.about["pct"] is None


def test_a_real_report_with_earlier_words() -> None:
    found = real("hardfail.xml")
    assert found.rows[0]["spf_results"][0]["result"] == "fail"
    assert found.rows[0]["dkim_results"] == [
        {"domain": "", "result": "fail", "human_result": None, "selector": None}
    ]
    assert found.warnings == ("result hardfail was read as fail",)


def test_the_plain_report_has_no_warnings() -> None:
    found = parsed(XML)
    assert found.warnings == ()
    assert [r["ordinal"] for r in found.rows] == [0, 1]
    assert [r["source_ip"] for r in found.rows] == ["192.0.2.1", "2001:db8::1"]
    assert [r["p"] for r in found.rows] == ["reject", "quarantine"], "sp is in force for a subdomain"


ENCODED = {
    "UTF-8 with its mark": b"\xef\xbb\xbf" + XML.encode(),
    "UTF-16, little-endian": XML.replace("UTF-8", "UTF-16").encode("utf-16"),
    "UTF-16, big-endian": b"\xfe\xff" + XML.replace("UTF-8", "UTF-16").encode("utf-16-be"),
    "no declaration": XML.partition("\n")[2].encode(),
    "declared UTF-16, is UTF-8": XML.replace("UTF-8", "UTF-16").encode(),
    "an encoding nobody knows": XML.replace("UTF-8", "x-nonsense").encode(),
    "leading blanks": b"\r\n  " + XML.encode(),
    "leading junk": b"%PDF what? \x01" + XML.encode(),
    "trailing NULs": XML.encode() + b"\x00\x00\x00",
    "trailing junk": XML.encode() + b"-- \nsent from my mailer & co",
    "upper case": XML.replace("feedback>", "FEEDBACK>")
    .replace("record>", "Record>")
    .replace("count>", "COUNT>")
    .encode(),
    "a namespace": XML.replace("<feedback>", '<feedback xmlns="http://dmarc.org/dmarc-xml/0.1">').encode(),
    "a prefix": XML.replace("</", "</d:")
    .replace("<", "<d:")
    .replace("<d:/d:", "</d:")
    .replace("<d:?", "<?")
    .encode(),
    "a stray schema": XML.replace(
        "<feedback>", '<feedback><xs:schema><xs:element name="a"/></xs:schema>'
    ).encode(),
    "laid out in one line": "".join(line.strip() for line in XML.splitlines()).encode(),
}


@pytest.mark.parametrize("name", ENCODED)
def test_the_same_report_however_it_is_written(name: str) -> None:
    expected, found = parsed(XML), parsed(ENCODED[name])
    assert found.rows == expected.rows
    assert found.content_hash == expected.content_hash
    assert found.about == expected.about
    assert not found.is_partial


def test_another_count_is_other_content() -> None:
    assert parsed(XML.replace("<count>2<", "<count>4<")).content_hash != parsed(XML).content_hash


def test_rfc9990_is_known_by_its_namespace_or_its_elements() -> None:
    spaced = XML.replace("<feedback>", '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">')
    assert parsed(spaced).format == "rfc9990"
    generated = parsed(XML.replace("<email>", "<generator>maker 1.0</generator><email>"))
    assert (generated.format, generated.about["generator"]) == ("rfc9990", "maker 1.0")


def test_an_extension_is_not_taken_for_the_report() -> None:
    extended = XML.replace(
        "<policy_published>",
        "<extension><policy_published><domain>evil.example</domain></policy_published><record/></extension><policy_published>",
    )
    found = parsed(extended)
    assert found.policy_domain == "example.com"
    assert len(found.rows) == 2


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1,024", 1024), ("1 024", 1024), ("12.0", 12), ("0", 0), ("1e3", 1000), ("1,234,567", 1_234_567)],
)
def test_counts_as_they_are_written(written: str, meant: int) -> None:
    assert row(report(record(count=written)))["count"] == meant


@pytest.mark.parametrize(
    "written", ["", "-1", "many", "1,02", "1.5", "9" * 30, "1e30", "NaN", "Infinity", "²"]
)
def test_a_row_with_an_impossible_count_is_set_aside(written: str) -> None:
    found = parsed(report(record("192.0.2.1"), record(count=written), record("192.0.2.3")))
    assert [(r["ordinal"], r["source_ip"]) for r in found.rows] == [(0, "192.0.2.1"), (2, "192.0.2.3")]
    assert found.is_partial
    assert "set aside: count" in found.warnings[0]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (" 192.0.2.7 ", "192.0.2.7"),
        ("192.0.2.7:25", "192.0.2.7"),
        ("[192.0.2.7]", "192.0.2.7"),
        ("[2001:DB8::7]:25", "2001:db8::7"),
        ("2001:0db8:0:0::7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0. 2.7", "192.0.2.7"),
    ],
)
def test_addresses_as_they_are_written(written: str, meant: str) -> None:
    assert row(report(record(ip=written)))["source_ip"] == meant


@pytest.mark.parametrize("written", ["", "999.1.1.1", "localhost", "1.2.3", "192.0.2.1/24", "2001:db8::g"])
def test_a_row_with_an_impossible_address_is_set_aside(written: str) -> None:
    found = parsed(report(record(ip=written), record("192.0.2.3")))
    assert [r["ordinal"] for r in found.rows] == [1]
    assert found.is_partial


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1709683200", 1709683200000),
        ("1709683200.75", 1709683200750),
        ("1709683200000", 1709683200000),
        ("1709683200000000", 1709683200000),
        ("2024-03-06T00:00:00Z", 1709683200000),
        ("2024-03-06 00:00:00", 1709683200000),
        ("2024-03-06T01:00:00+01:00", 1709683200000),
    ],
)
def test_times_as_they_are_written(written: str, meant: int) -> None:
    found = parsed(XML.replace(">1709683200<", f">{written}<"))
    assert found.begin == meant
    assert bool(found.warnings) == (written != "1709683200")


@pytest.mark.parametrize(
    "element", ["org_name", "email", "report_id", "p", "sp", "adkim", "aspf", "pct", "version"]
)
def test_a_missing_element_stays_null(element: str) -> None:
    start, end = XML.find(f"<{element}>"), XML.find(f"</{element}>")
    found = parsed(XML[:start] + XML[end + len(element) + 3 :] if start >= 0 else XML)
    assert len(found.rows) == 2
    if element == "org_name":
        assert found.org_name is None
    elif element == "report_id":
        assert found.report_id == f"sha256:{found.content_hash[:32]}"
    elif element != "version":
        assert found.about[element] is None
    assert bool(found.warnings) == (element in ("org_name", "email", "report_id", "p"))


def test_a_record_with_nothing_but_what_counts() -> None:
    bare = "<record><row><source_ip>192.0.2.9</source_ip><count>4</count></row></record>"
    found = row(report(bare))
    assert (found["source_ip"], found["count"], found["dmarc_pass"]) == ("192.0.2.9", 4, None)
    assert found["header_from"] is found["dkim"] is found["disposition"] is None
    assert found["dkim_results"] == found["spf_results"] == found["reasons"] == []


def test_words_are_canonical() -> None:
    text = XML.replace("<dkim>pass</dkim>", "<dkim> Pass </dkim>").replace(
        "<disposition>none", "<disposition>NONE"
    )
    text = text.replace("<result>softfail", "<result>Error").replace("<result>pass", "<result>UNKNOWN")
    found = parsed(text)
    assert (found.rows[0]["dkim"], found.rows[0]["disposition"]) == ("pass", "none")
    assert found.rows[0]["spf_results"][0]["result"] == "temperror"
    assert found.rows[0]["dkim_results"][0]["result"] == "permerror"
    assert len(found.warnings) == 2


def test_a_domain_is_in_a_labels() -> None:
    assert row(report(record(header_from="Bücher.Example.")))["header_from"] == "xn--bcher-kva.example"


def test_the_policy_domain_comes_from_the_first_record_where_it_is_missing() -> None:
    found = parsed(XML.replace("<domain>example.com</domain>\n    <adkim>", "<adkim>"))
    assert found.policy_domain == "example.com"
    assert any("no policy domain" in warning for warning in found.warnings)


def test_no_domain_at_all_is_rejected() -> None:
    bare = "<record><row><source_ip>192.0.2.9</source_ip><count>4</count></row></record>"
    with pytest.raises(NotAReport, match="no policy domain") as refused:
        parsed(report(bare).replace("<domain>example.com</domain>\n    <adkim>", "<adkim>"))
    assert refused.value.is_aggregate


def test_no_span_is_rejected() -> None:
    start, end = XML.find("<date_range>"), XML.find("</date_range>")
    with pytest.raises(NotAReport, match="date_range"):
        parsed(XML[:start] + "<date_range>" + XML[end:])


def test_half_a_span_is_taken_for_both_ends() -> None:
    found = parsed(XML.replace("<end>1709769599</end>", ""))
    assert found.begin == found.end
    assert found.warnings


def test_a_second_policy_is_left_out_with_a_warning() -> None:
    found = parsed(
        XML.replace("<record>", "<policy_published><domain>b.example</domain></policy_published><record>", 1)
    )
    assert found.policy_domain == "example.com"
    assert found.warnings == ("policy_published is there several times; the first was taken",)


@pytest.mark.parametrize("keep", [0.6, 0.75, 0.9, 0.97])
def test_truncated_xml_gives_its_whole_records(keep: float) -> None:
    text = report(*(record(f"192.0.2.{n}") for n in range(1, 41)))
    cut = text[: int(len(text) * keep)]
    found = parsed(cut)
    assert [r["source_ip"] for r in found.rows] == [
        f"192.0.2.{n}" for n in range(1, cut.count("</record>") + 1)
    ]
    assert found.is_partial
    assert "breaks off" in found.warnings[-1]


def test_raw_ampersands_and_control_characters_are_read() -> None:
    text = XML.replace(">receiver.example<", ">Smith & Sons &copy; \x0b&#0;<")
    found = parsed(text)
    assert found.org_name == "Smith & Sons &copy; \ufffd"
    assert len(found.rows) == 2
    assert not found.is_partial
    assert len(found.warnings) == 2


@pytest.mark.parametrize("declared", ["UTF-8", "us-ascii"])
def test_undeclared_bytes_are_read_as_windows_1252(declared: str) -> None:
    text = XML.replace("UTF-8", declared).replace(">receiver.example<", ">Café – Zürich €<")
    found = parsed(text.encode("windows-1252"))
    assert found.org_name == "Café – Zürich €"
    assert any("windows-1252" in warning for warning in found.warnings)


def test_declared_encodings_are_read() -> None:
    text = XML.replace(">receiver.example<", ">Café €<")
    assert parsed(text.replace("UTF-8", "windows-1252").encode("windows-1252")).org_name == "Café €"
    assert parsed(text.replace("UTF-8", "iso-8859-15").encode("iso-8859-15")).org_name == "Café €"
    assert parsed(text.replace("UTF-8", "gb18030").encode("gb18030")).org_name == "Café €"


LAUGHS = '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'
DOCTYPES = {
    "billion laughs": XML.replace("<feedback>", LAUGHS + "<feedback>").replace("receiver.example", "&c;"),
    "external entity": XML.replace(
        "<feedback>", '<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>'
    ).replace("receiver.example", "&x;"),
    "external subset": XML.replace(
        "<feedback>", '<!DOCTYPE feedback SYSTEM "http://127.0.0.1/x.dtd"><feedback>'
    ),
    "parameter entity": XML.replace(
        "<feedback>", '<!DOCTYPE f [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]><feedback>'
    ),
    "empty": XML.replace("<feedback>", "<!DOCTYPE feedback><feedback>"),
    "after junk": "junk " + XML.partition("\n")[2].replace("<feedback>", "<!DOCTYPE feedback><feedback>"),
}


@pytest.mark.parametrize("name", DOCTYPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_always_refused(name: str, encoding: str) -> None:
    text = DOCTYPES[name] if encoding == "utf-8" else DOCTYPES[name].replace("UTF-8", "UTF-16")
    with pytest.raises(NotAReport, match=r"DOCTYPE|entity"):
        parsed(text.encode(encoding))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<a/>",
        "<svg><feedback/></svg>",
        "not XML",
        "<feedback",
        "{}",
        "<?xml version='1.0'?>",
        "\x00" * 50,
    ],
)
def test_what_is_no_report_says_so(text: str) -> None:
    with pytest.raises(NotAReport):
        parsed(text)


def test_deep_nesting_and_endless_tags_are_refused() -> None:
    with pytest.raises(NotAReport, match="deep"):
        parsed("<feedback>" + "<a>" * 100_000)
    with pytest.raises(NotAReport, match="longer than"):
        parsed("<feedback><a " + " ".join(f'a{n}="1"' for n in range(400_000)) + "/></feedback>")
    with pytest.raises(NotAReport, match="longer than"):
        parsed("<feedback><!--" + "x" * 3_000_000)


def test_long_texts_and_long_lists_are_cut() -> None:
    signature = "<dkim><domain>d.example</domain><result>pass</result></dkim>"
    found = parsed(
        XML.replace("receiver.example", "o" * 200_000).replace(
            "<auth_results>", f"<auth_results>{signature * 300}"
        )
    )
    assert found.org_name == "o" * 255
    assert len(found.rows[0]["dkim_results"]) == 100
    assert found.is_partial


def test_records_beyond_the_limit_are_left_out() -> None:
    found = parse_report(report(*[record()] * 5).encode(), max_records=3)
    assert len(found.rows) == 3
    assert found.is_partial
    assert "limit records" in found.warnings[0]


def test_what_a_report_says_is_plain_data() -> None:
    for path in [*corpus(), None]:
        found = parsed(path.read_bytes() if isinstance(path, Path) else XML)
        assert json.loads(json.dumps(found.rows)) == found.rows
