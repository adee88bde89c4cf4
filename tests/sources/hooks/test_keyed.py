"""Providers that sign for, or with, a key that is configured."""

import base64
import hmac
import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from signing import (
    BODY,
    NOW,
    b64,
    basic,
    curve_key,
    hex_of_body,
    hook_of,
    public,
    public_pem,
    refused,
    request,
    rsa_key,
    rsa_signed,
    sendgrid_headers,
)  # fmt: skip

from sources.hooks.configured import InvalidHook
from sources.hooks.freshness import UsedTokens
from sources.hooks.signature import SignatureRefused, Verified
from sources.hooks.verifiers import verifier_of

FIVE_MINUTES = 300_000
EIGHT_HOURS = 8 * 3_600_000
TAMPERED = BODY.replace(b"delivered", b"bounced")


def test_sendgrid() -> None:
    one = verifier_of(hook_of("sendgrid", keys=[public(curve_key(1)), public(curve_key())]))
    headers = sendgrid_headers(curve_key())
    assert one.verify(request(BODY, headers)) == Verified(signed_at=NOW)
    refused(one, request(TAMPERED, headers), "mismatch")
    refused(
        one,
        request(BODY, {**headers, "x-twilio-email-event-webhook-timestamp": str(NOW // 1000 + 1)}),
        "mismatch",
    )
    refused(one, request(BODY, sendgrid_headers(curve_key(2))), "mismatch")
    refused(one, request(BODY), "missing")
    refused(one, request(BODY, {**headers, "x-twilio-email-event-webhook-timestamp": "soon"}), "malformed")
    refused(one, request(BODY, {**headers, "x-twilio-email-event-webhook-signature": "?"}), "malformed")
    refused(
        one, request(BODY, {**headers, "x-twilio-email-event-webhook-signature": b64(b"short")}), "mismatch"
    )
    assert one.verify(request(BODY, headers, now_ms=NOW + FIVE_MINUTES)).signed_at == NOW
    refused(one, request(BODY, headers, now_ms=NOW + FIVE_MINUTES + 1), "stale")
    refused(one, request(BODY, headers, now_ms=NOW - FIVE_MINUTES - 1), "stale")


def test_sendgrids_key_in_pem() -> None:
    one = verifier_of(hook_of("sendgrid", keys=public_pem(curve_key())))
    assert one.verify(request(BODY, sendgrid_headers(curve_key()))).signed_at == NOW


def mailgun_body(
    key: str = "signing key", token: str = "t" * 50, at: int = NOW // 1000, **event: Any
) -> bytes:
    code = hmac.new(key.encode(), f"{at}{token}".encode(), "sha256").hexdigest()
    signature = {"timestamp": str(at), "token": token, "signature": code}
    return json.dumps({"signature": signature, "event-data": {"event": "delivered", **event}}).encode()


def test_mailgun() -> None:
    one = verifier_of(hook_of("mailgun", keys=["another", "signing key"]))
    assert one.verify(request(mailgun_body())) == Verified(signed_at=NOW)
    refused(one, request(mailgun_body("guess")), "mismatch")
    refused(one, request(mailgun_body().replace(b"ttt", b"uuu")), "mismatch")
    refused(one, request(b"{}"), "missing")
    refused(one, request(b"{"), "malformed")
    refused(one, request(b'{"signature": {"token": "x", "timestamp": "1"}}'), "malformed")
    refused(one, request(mailgun_body(token="")), "malformed")


def test_mailguns_repeats_of_eight_hours_bear_the_signature_of_the_first_time() -> None:
    one = verifier_of(hook_of("mailgun", keys="signing key"))
    for attempt in (5, 15, 30, 90, 210, 450):
        assert one.verify(request(mailgun_body(), now_ms=NOW + attempt * 60_000)).signed_at == NOW
    refused(one, request(mailgun_body(event="complained"), now_ms=NOW + EIGHT_HOURS), "replayed")
    refused(one, request(mailgun_body(), now_ms=NOW + EIGHT_HOURS + 1), "stale")
    refused(one, request(mailgun_body(), now_ms=NOW - FIVE_MINUTES - 1), "stale")
    strict = verifier_of(hook_of("mailgun", keys="signing key", tolerance_seconds=300))
    refused(strict, request(mailgun_body(), now_ms=NOW + FIVE_MINUTES + 1), "stale")


def test_mailgun_signs_a_subaccounts_events_for_the_parent_account_as_well() -> None:
    document = json.loads(mailgun_body("the subaccount's key"))
    parents = json.loads(mailgun_body("signing key"))["signature"]["signature"]
    body = json.dumps(
        {**document, "signature": {**document["signature"], "parent-signature": parents}}
    ).encode()
    for key in ("signing key", "the subaccount's key"):
        assert verifier_of(hook_of("mailgun", keys=key)).verify(request(body)) == Verified(signed_at=NOW)
    refused(verifier_of(hook_of("mailgun", keys="another")), request(body), "mismatch")
    odd = json.dumps(
        {**document, "signature": {**document["signature"], "parent-signature": [parents]}}
    ).encode()
    refused(verifier_of(hook_of("mailgun", keys="signing key")), request(odd), "mismatch")


def test_a_mailgun_token_is_good_for_one_content() -> None:
    one = verifier_of(hook_of("mailgun", keys="signing key"))
    one.verify(request(mailgun_body()))
    assert one.verify(request(mailgun_body(), now_ms=NOW + 1000)).signed_at == NOW
    refused(one, request(mailgun_body(event="complained")), "replayed")
    one.verify(request(mailgun_body(token="another", event="complained")))


def test_tokens_are_forgotten_by_age_and_number() -> None:
    used = UsedTokens(at_most=100)
    for number in range(1000):
        used.use(str(number), b"x", NOW, 1000)
    assert len(used._used) <= 101
    used.use("999", b"x", NOW + 500, 1000)
    with pytest.raises(SignatureRefused):
        used.use("999", b"y", NOW + 1000, 1000)
    used.use("999", b"y", NOW + 1001, 1000)


SVIX_KEY = b"a secret of svix, 24 byte"
WHSEC = "whsec_" + b64(SVIX_KEY)


def svix_headers(
    key: bytes = SVIX_KEY, body: bytes = BODY, at: int = NOW // 1000, prefix: str = "svix"
) -> dict[str, str]:
    code = hmac.new(key, b"msg_1." + str(at).encode() + b"." + body, "sha256").digest()
    return {f"{prefix}-id": "msg_1", f"{prefix}-timestamp": str(at), f"{prefix}-signature": f"v1,{b64(code)}"}


@pytest.mark.parametrize("prefix", ["svix", "webhook"])
def test_resend(prefix: str) -> None:
    one = verifier_of(hook_of("resend", keys=["whsec_" + b64(b"another"), WHSEC]))
    headers = svix_headers(prefix=prefix)
    assert one.verify(request(BODY, headers)) == Verified(signed_at=NOW, delivery_id="msg_1")
    signature = headers[f"{prefix}-signature"]
    several = {**headers, f"{prefix}-signature": f"v1,{b64(b'x' * 32)} v1a,xxx {signature}"}
    assert one.verify(request(BODY, several)).delivery_id == "msg_1"
    refused(
        one, request(BODY, {**headers, f"{prefix}-signature": signature.replace("v1,", "v2,")}), "mismatch"
    )
    refused(one, request(BODY, {**headers, f"{prefix}-id": "msg_2"}), "mismatch")
    refused(one, request(TAMPERED, headers), "mismatch")
    refused(one, request(BODY, svix_headers(b"guess", prefix=prefix)), "mismatch")
    refused(one, request(BODY, headers, now_ms=NOW + FIVE_MINUTES + 1), "stale")
    for name in headers:
        refused(one, request(BODY, {key: value for key, value in headers.items() if key != name}), "missing")


def test_svix_example_of_its_documentation() -> None:
    """https://docs.svix.com/receiving/verifying-payloads/how-manual"""
    headers = {
        "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "svix-timestamp": "1614265330",
        "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    one = verifier_of(hook_of("resend", keys="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    assert one.verify(request(b'{"test": 2432232314}', headers, now_ms=1_614_265_330_000)).delivery_id


HOOK_URL = "https://mail.example/hooks/mandrill/a-token-of-the-hook"


def mandrill(
    events: str, key: str = "webhook key", url: str = HOOK_URL, more: str = ""
) -> tuple[bytes, dict[str, str]]:
    fields = {"mandrill_events": events, **({"a": more} if more else {})}
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    body = "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()).encode()
    return body, {"x-mandrill-signature": b64(hmac.new(key.encode(), signed.encode(), "sha1").digest())}


def test_mandrill() -> None:
    one = verifier_of(hook_of("mandrill", keys="webhook key", url=HOOK_URL))
    for more in ("", "ü & b"):
        body, headers = mandrill('[{"event":"send","msg":{"subject":"a+b ü"}}]', more=more)
        assert one.verify(request(body, headers, urls=("http://10.0.0.1/hooks",))) == Verified()
    refused(one, request(body.replace(b"send", b"spam"), headers), "mismatch")
    refused(one, request(body), "missing")
    refused(one, request(b"\xff\xfe", headers), "malformed")
    refused(one, request(b"&".join([b"a=b"] * 20_000), headers), "malformed")
    refused(one, request(*mandrill("[]", key="guess")), "mismatch")
    refused(one, request(*mandrill("[]", url=HOOK_URL + "/")), "mismatch")


def test_mandrill_signs_the_password_in_its_url_as_well() -> None:
    one = verifier_of(hook_of("mandrill", keys="webhook key", basic="user:pw"))
    for url in (HOOK_URL, HOOK_URL.replace("://", "://user:pw@")):
        body, headers = mandrill("[]", url=url)
        assert one.verify(request(body, headers | basic("user:pw"), urls=(HOOK_URL,))) == Verified()
        refused(one, request(body, headers, urls=(HOOK_URL,)), "missing")
    refused(
        one, request(*mandrill("[]", url=HOOK_URL.replace("://", "://u:x@")), urls=(HOOK_URL,)), "missing"
    )
    body, headers = mandrill("[]", url=HOOK_URL.replace("://", "://u:x@"))
    refused(one, request(body, headers | basic("user:pw"), urls=(HOOK_URL,)), "mismatch")


def test_mandrill_signs_the_url_as_it_called_it() -> None:
    one = verifier_of(hook_of("mandrill", keys="webhook key"))
    assert one.verify(request(*mandrill("[]"), urls=("http://other.example", HOOK_URL))) == Verified()
    refused(one, request(*mandrill("[]"), urls=("https://other.example",)), "mismatch")


@pytest.mark.parametrize(
    ("provider", "header"), [("mailersend", "signature"), ("mailtrap", "mailtrap-signature")]
)
def test_hex_of_the_body(provider: str, header: str) -> None:
    one = verifier_of(hook_of(provider, keys=["old", "secret"]))
    assert one.verify(request(BODY, {header: hex_of_body("secret", BODY)})) == Verified()
    assert one.verify(request(BODY, {header: hex_of_body("old", BODY).upper()})) == Verified()
    refused(one, request(TAMPERED, {header: hex_of_body("secret", BODY)}), "mismatch")
    refused(one, request(BODY, {header: hex_of_body("guess", BODY)}), "mismatch")
    refused(one, request(BODY, {header: "ü"}), "mismatch")
    refused(one, request(BODY, {header: ""}), "missing")


def test_postal() -> None:
    one = verifier_of(hook_of("postal", keys=[public(rsa_key(1)), public_pem(rsa_key())]))
    new = {"x-postal-signature-256": rsa_signed(rsa_key(), BODY, SHA256()), "x-postal-signature-kid": "x"}
    old = {"x-postal-signature": rsa_signed(rsa_key(), BODY, SHA1())}
    for headers in (new, old, {**new, **old}):
        assert one.verify(request(BODY, headers)) == Verified()
        refused(one, request(TAMPERED, headers), "mismatch")
    refused(
        one,
        request(BODY, {**old, "x-postal-signature-256": rsa_signed(rsa_key(2), BODY, SHA256())}),
        "mismatch",
    )
    refused(one, request(BODY, {"x-postal-signature-256": rsa_signed(rsa_key(), BODY, SHA1())}), "mismatch")
    refused(one, request(BODY, {"x-postal-signature": "?"}), "malformed")
    refused(one, request(BODY), "missing")


def test_a_password_is_asked_besides_a_signature() -> None:
    one = verifier_of(hook_of("mailtrap", keys="secret", basic="user:pw"))
    signed = {"mailtrap-signature": hex_of_body("secret", BODY)}
    refused(one, request(BODY, signed), "missing")
    refused(one, request(BODY, basic("user:pw")), "missing")
    assert one.verify(request(BODY, {**signed, **basic("user:pw")})) == Verified()


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        ("sendgrid", "no key"), ("sendgrid", public(rsa_key())), ("postal", public(curve_key())), ("postal", b64(b"x" * 40)),
        ("postal", "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"), ("resend", "whsec_?"),
    ],
)  # fmt: skip
def test_a_key_that_is_none(provider: str, key: str) -> None:
    with pytest.raises(InvalidHook, match="hook hook: keys wants"):
        verifier_of(hook_of(provider, keys=key))


def test_base64_of_the_svix_key_decodes() -> None:
    assert base64.b64decode(WHSEC.removeprefix("whsec_")) == SVIX_KEY
