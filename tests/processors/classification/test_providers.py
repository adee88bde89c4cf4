"""The mailbox provider behind an MX, or behind a domain where no host is named."""

import pytest

from processors.classification.providers import provider_names, provider_of
from schemas.mail import PROVIDERS


@pytest.mark.parametrize(
    ("mx", "provider"),
    [
        ("gmail-smtp-in.l.google.com", "gmail"),
        ("ASPMX.L.GOOGLE.COM.", "gmail"),
        ("example-com.mail.protection.outlook.com", "microsoft"),
        ("hotmail-com.olc.protection.outlook.com", "microsoft"),
        ("mta5.am0.yahoodns.net", "yahoo"),
        ("mx00.gmx.net", "unitedinternet"),
        ("eu-smtp-inbound-1.mimecast.com", "mimecast"),
        ("mx0a-00000000.pphosted.com", "proofpoint"),
        ("mx.zoho.com.au", "zoho"),
        ("mxs.mail.ru[217.69.139.150]:25", "mailru"),
        ("mx.example.com", "other"),
        ("notgoogle.com", "other"),
        ("google.com.example.net", "other"),
        (".", "other"),
        ("com", "other"),
    ],
)
def test_the_host_decides_by_its_suffix(mx: str, provider: str) -> None:
    assert provider_of(mx) == provider


def test_a_domain_tells_only_where_no_host_is_named() -> None:
    assert provider_of(None, "GMail.com.") == "gmail"
    assert provider_of("", "hotmail.com") == "microsoft"
    assert provider_of("mx.example.com", "gmail.com") == "other"
    assert provider_of(None, "example.com") == provider_of(None) == "other"


def test_every_name_is_one_that_events_have() -> None:
    assert provider_names() | {"other"} == frozenset(PROVIDERS)
