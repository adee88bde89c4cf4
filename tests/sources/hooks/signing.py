"""What providers do: sign with keys made here."""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from sources.hooks.configured import Hook, hooks_from
from sources.hooks.signature import Refusal, SignatureRefused, SignedRequest, Verifier

NOW = 1_767_603_600_000
TOKEN = "a-token-of-the-hook"
BODY = b'[{"event":"delivered","email":"jo.doe@gmail.com"}]'
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-abc.pem"


def hook_of(provider: str, **settings: Any) -> Hook:
    (hook,) = hooks_from({"hook": {"provider": provider, "token": TOKEN, **settings}}, {})
    return hook


def request(body: bytes = BODY, headers: Mapping[str, str] | None = None, **more: Any) -> SignedRequest:
    return SignedRequest(headers or {}, body, more.pop("now_ms", NOW), **more)


def refused(verifier: Verifier, asked: SignedRequest, reason: Refusal) -> None:
    with pytest.raises(SignatureRefused) as caught:
        verifier.verify(asked)
    assert (caught.value.reason, caught.value.status) == (reason, 401 if reason == "missing" else 403)


def basic(credentials: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def hex_of_body(key: str, body: bytes) -> str:
    return hmac.new(key.encode(), body, "sha256").hexdigest()


@cache
def curve_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return b64(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def public_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sendgrid_headers(
    key: ec.EllipticCurvePrivateKey, body: bytes = BODY, at: int = NOW // 1000
) -> dict[str, str]:
    signature = key.sign(str(at).encode() + body, ec.ECDSA(SHA256()))
    return {
        "x-twilio-email-event-webhook-signature": b64(signature),
        "x-twilio-email-event-webhook-timestamp": str(at),
    }


def rsa_signed(key: rsa.RSAPrivateKey, content: bytes, hashing: HashAlgorithm) -> str:
    return b64(key.sign(content, PKCS1v15(), hashing))


def certificate(
    key: Any, begins: int = -1, ends: int = 365, subject: str = "sns.amazonaws.com", other: str | None = None
) -> bytes:
    """In PEM; from and to days from NOW; `other` is a DNS name besides the subject's."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.fromtimestamp(NOW / 1000, UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1)
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
    )
    if other is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(other)]), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def sns_message(kind: str = "Notification", **more: Any) -> dict[str, Any]:
    message = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:mail",
        "Message": json.dumps({"eventType": "Delivery"}),
        "Timestamp": "2026-01-05T09:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    }
    if kind != "Notification":
        message |= {
            "Token": "2336412f37",
            "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336",
        }
    return message | more


def sns_signed(message: dict[str, Any], key: rsa.RSAPrivateKey | None = None) -> bytes:
    """As Amazon's documentation says: names and values of these fields, each on a line of its own."""
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    hashing = SHA1() if message["SignatureVersion"] == "1" else SHA256()
    return json.dumps({**message, "Signature": rsa_signed(key or rsa_key(), text.encode(), hashing)}).encode()
