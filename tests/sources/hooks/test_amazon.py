"""SNS's signatures, the certificates they need, and what comes without any."""

import json
import urllib.error
from collections.abc import Callable
from email.message import Message
from typing import Any

import pytest
from signing import (
    CERTIFICATE_URL,
    NOW,
    basic,
    certificate,
    curve_key,
    hook_of,
    refused,
    request,
    rsa_key,
    sns_message,
    sns_signed,
)  # fmt: skip

from sources.hooks import certificates as certificates_module
from sources.hooks.certificates import CERTIFICATE_BYTES, FAILURE_KEPT_MS, KEPT_MS, Certificates, is_sns_url
from sources.hooks.signature import CertificateUnavailable, Verified
from sources.hooks.verifiers import verifier_of

HOUR = 3_600_000


class Amazon:
    """Serves a certificate, and remembers who asked."""

    def __init__(self, answer: bytes | Exception | None = None) -> None:
        self.answer = certificate(rsa_key()) if answer is None else answer
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def verifier(fetch: Callable[[str], bytes] | None = None, **settings: Any) -> Any:
    return verifier_of(hook_of("ses", **settings), Certificates(fetch or Amazon()))


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("kind", ["Notification", "UnsubscribeConfirmation"])
def test_a_right_signature(version: str, kind: str) -> None:
    body = sns_signed(sns_message(kind, SignatureVersion=version))
    assert verifier().verify(request(body)) == Verified("sns", NOW, "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324")


def test_a_subject_is_signed_too() -> None:
    body = sns_signed(sns_message(Subject="Amazon SES"))
    assert verifier().verify(request(body)).channel == "sns"
    refused(verifier(), request(body.replace(b"Amazon SES", b"Amazon SNS")), "mismatch")


def test_a_subscription_to_be_confirmed() -> None:
    message = sns_message("SubscriptionConfirmation")
    assert verifier().verify(request(sns_signed(message))).subscribe_url == message["SubscribeURL"]


def test_a_subscription_that_leads_elsewhere() -> None:
    body = sns_signed(sns_message("SubscriptionConfirmation", SubscribeURL="https://169.254.169.254/latest"))
    refused(verifier(), request(body), "host")


@pytest.mark.parametrize("old", [b"Delivery", b"22b80b92", b"123456789012:mail", b"09:00:00.000Z"])
def test_tampered(old: bytes) -> None:
    body = sns_signed(sns_message())
    assert body.count(old) == 1
    refused(verifier(), request(body.replace(old, old[:-1] + b"1")), "mismatch")


def test_signed_by_another() -> None:
    refused(verifier(), request(sns_signed(sns_message(), rsa_key(1))), "mismatch")


def test_stale_and_replayed_after_its_window() -> None:
    one, body = verifier(), sns_signed(sns_message())
    assert one.verify(request(body, now_ms=NOW + HOUR)).signed_at == NOW
    refused(one, request(body, now_ms=NOW + HOUR + 1), "stale")
    refused(one, request(body, now_ms=NOW - HOUR - 1), "stale")
    refused(verifier(tolerance_seconds=60), request(body, now_ms=NOW + 61_000), "stale")


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem", "https://evil.example/x.pem",
        "http://sns.eu-west-1.amazonaws.com/x.pem", "https://sns.eu-west-1.amazonaws.com/x.txt",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem", "https://user:x@sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem", "https://evil.example/?https://sns.eu-west-1.amazonaws.com/x.pem",
        "https://evil.example/#https://sns.eu-west-1.amazonaws.com/x.pem", "https://sns.eu-west-1.amazonaws.com/#x.pem",
        "https://sns.eu-west-1.amazonaws.com\\.evil.example/x.pem", "https://sns.eu-west-1.amazonaws.com/\r\nHost: x/x.pem",
        "https://xsns.eu-west-1.amazonaws.com/x.pem", "https://sns.amazonaws.com/x.pem", "https://sns.a.b.amazonaws.com/x.pem",
        "https://bucket.s3.eu-west-1.amazonaws.com/x.pem", "file:///etc/x.pem", "", "//sns.eu-west-1.amazonaws.com/x.pem",
        "https://[::1]/x.pem", "https://[sns.eu-west-1.amazonaws.com/x.pem", "https://sns.eu-west-1.amazonaws.com:x/x.pem",
        "https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-0.pem", "https://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem?y=.pem", "https://sns.eu-west-1.amazonaws.com/?Action=x.pem",
    ],
)  # fmt: skip
def test_a_certificate_elsewhere_is_not_fetched(url: str) -> None:
    fetch = Amazon()
    one = verifier(fetch)
    refused(one, request(sns_signed(sns_message(SigningCertURL=url))), "host")
    assert fetch.asked == []


def test_hosts_of_china_are_sns_too() -> None:
    assert is_sns_url("https://sns.cn-north-1.amazonaws.com.cn/x.pem")


def test_a_certificate_is_fetched_once_a_day() -> None:
    fetch = Amazon()
    one, body = verifier(fetch, tolerance_seconds=10**6), sns_signed(sns_message())
    for later in (0, 1, KEPT_MS - 1):
        one.verify(request(body, now_ms=NOW + later))
    assert fetch.asked == [CERTIFICATE_URL]
    one.verify(request(body, now_ms=NOW + KEPT_MS))
    assert len(fetch.asked) == 2


def test_only_what_is_not_kept_yet_is_waited_for() -> None:
    one, body = verifier(tolerance_seconds=10**6), sns_signed(sns_message())
    assert one.waits(request(body))
    one.verify(request(body))
    assert not one.waits(request(body, now_ms=NOW + KEPT_MS - 1))
    assert one.waits(request(body, now_ms=NOW + KEPT_MS))
    for raw in (b"{}", b"[]", b"no json", b'{"SigningCertURL": 4}'):
        assert not one.waits(request(raw))


def test_only_so_many_certificates_are_kept() -> None:
    certificates = Certificates(Amazon(), at_most=3)
    for number in range(10):
        certificates.key_at(
            f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{number}.pem", NOW
        )
    assert len(certificates._kept) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"<html>", certificate(rsa_key())[:300], certificate(curve_key()), b"\xff" * 100,
        certificate(rsa_key()) + b"\n" * CERTIFICATE_BYTES, certificate(rsa_key(), 1, 2), certificate(rsa_key(), -9, -1),
    ],
    ids=["empty", "page", "cut", "curve", "noise", "oversized", "not yet", "expired"],
)  # fmt: skip
def test_a_certificate_that_is_none(answer: bytes) -> None:
    refused(verifier(Amazon(answer)), request(sns_signed(sns_message())), "certificate")


@pytest.mark.parametrize(
    ("subject", "other", "own"),
    [
        ("sns.amazonaws.com", None, True),
        ("sns.cn-north-1.amazonaws.com.cn", None, True),
        ("Amazon", "sns.eu-west-1.amazonaws.com", True),
        ("s3.amazonaws.com", None, False),
        ("sns.amazonaws.com.evil.example", "xsns.amazonaws.com", False),
        ("evil.example", "*.amazonaws.com", False),
    ],
)
def test_a_certificate_is_snss_own(subject: str, other: str | None, own: bool) -> None:
    one = verifier(Amazon(certificate(rsa_key(), subject=subject, other=other)))
    body = sns_signed(sns_message())
    if own:
        assert one.verify(request(body)).channel == "sns"
    else:
        refused(one, request(body), "certificate")


def test_a_certificate_expires_while_it_is_kept() -> None:
    fetch = Amazon(certificate(rsa_key(), -9, 1))
    one, body = verifier(fetch, tolerance_seconds=10**6), sns_signed(sns_message())
    one.verify(request(body, now_ms=NOW + KEPT_MS - 1))
    refused(one, request(body, now_ms=NOW + KEPT_MS + 1), "certificate")


def test_a_certificate_that_can_not_be_had_is_nobodys_fault() -> None:
    fetch = Amazon(urllib.error.URLError("no route"))
    one, body = verifier(fetch), sns_signed(sns_message())
    with pytest.raises(
        CertificateUnavailable, match=r"^SNS's certificate .* from sns.eu-west-1.amazonaws.com: no route"
    ):
        one.verify(request(body))
    for later in (0, 10, FAILURE_KEPT_MS - 1):
        with pytest.raises(CertificateUnavailable):
            one.verify(request(body, now_ms=NOW + later))
    assert len(fetch.asked) == 1
    fetch.answer = certificate(rsa_key())
    assert one.verify(request(body, now_ms=NOW + FAILURE_KEPT_MS)).channel == "sns"


@pytest.mark.parametrize("status", [301, 403, 404, 500, 503])
def test_a_certificate_that_is_refused(status: int) -> None:
    one = verifier(Amazon(urllib.error.HTTPError(CERTIFICATE_URL, status, "no", Message(), None)))
    if status in (403, 404):
        refused(one, request(sns_signed(sns_message())), "certificate")
        return
    with pytest.raises(CertificateUnavailable):
        one.verify(request(sns_signed(sns_message())))


def test_fetching_refuses_redirects_and_reads_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    class Answer:
        def __enter__(self) -> "Answer":
            return self

        def __exit__(self, *_: object) -> None: ...

        def read(self, size: int) -> bytes:
            read.append(size)
            return b"x" * size

    class Opener:
        def open(self, url: str, timeout: float) -> Answer:
            assert timeout == certificates_module.FETCH_SECONDS
            return Answer()

    handlers: list[Any] = []

    def build(*given: Any) -> Opener:
        handlers.extend(given)
        return Opener()

    monkeypatch.setattr(certificates_module.urllib.request, "build_opener", build)
    assert len(certificates_module.fetch(CERTIFICATE_URL)) == CERTIFICATE_BYTES + 1
    assert read == [CERTIFICATE_BYTES + 1]
    assert handlers[0]().redirect_request(None, None, 302, "", None, "https://evil.example") is None


def test_topics_that_are_welcome() -> None:
    ours = "arn:aws:sns:eu-west-1:123456789012:mail"
    body = sns_signed(sns_message())
    assert verifier(topic_arns=[ours]).verify(request(body)).channel == "sns"
    fetch = Amazon()
    refused(verifier(fetch, topic_arns=[ours + "s"]), request(body), "topic")
    assert fetch.asked == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Type", "Gossip"), ("Type", 5), ("SignatureVersion", "3"), ("SignatureVersion", None), ("TopicArn", None),
        ("Signature", "no base64!"), ("Signature", 5), ("MessageId", ["x"]), ("SigningCertURL", 5),
    ],
)  # fmt: skip
def test_malformed(name: str, value: Any) -> None:
    message = json.loads(sns_signed(sns_message()))
    refused(verifier(), request(json.dumps({**message, name: value}).encode()), "malformed")


def test_a_time_that_is_none() -> None:
    refused(verifier(), request(sns_signed(sns_message(Timestamp="today"))), "malformed")


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 5000])
def test_no_json(body: bytes) -> None:
    refused(verifier(), request(body), "malformed")


BRIDGE = json.dumps({"detail-type": "Email Bounced", "detail": {"eventType": "Bounce"}}).encode()
RAW = json.dumps({"eventType": "Bounce"}).encode()


@pytest.mark.parametrize(("body", "channel"), [(BRIDGE, "eventbridge"), (RAW, "sns")])
def test_what_is_not_signed_needs_a_secret(body: bytes, channel: str) -> None:
    refused(verifier(), request(body), "missing")
    secret = {"header": "X-Secret", "header_value": "of ours"}
    assert verifier(**secret).verify(request(body, {"x-secret": "of ours"})) == Verified(channel)  # type: ignore[arg-type]
    refused(verifier(**secret), request(body, {"x-secret": "of theirs"}), "mismatch")
    refused(verifier(**secret), request(body), "missing")
    assert verifier(basic="sns:pw").verify(request(body, basic("sns:pw"))).channel == channel
    assert verifier(unsigned=True).verify(request(body)).channel == channel


def test_half_a_signature_is_none() -> None:
    message = json.loads(sns_signed(sns_message()))
    for name in ("Signature", "SigningCertURL"):
        rest = {key: value for key, value in message.items() if key != name}
        refused(verifier(), request(json.dumps(rest).encode()), "missing")


def test_a_secret_is_asked_of_sns_as_well() -> None:
    body = sns_signed(sns_message())
    refused(verifier(basic="sns:pw"), request(body), "missing")
    assert verifier(basic="sns:pw").verify(request(body, basic("sns:pw"))).channel == "sns"
