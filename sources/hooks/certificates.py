"""The certificates that Amazon SNS signs with: fetched from its own hosts, checked, and kept for a while.

Their chain is not built up to a root: SNS serves the last certificate alone, and those above it are nowhere that could be
trusted more than its own host, whose TLS certificate is verified.
"""

import http.client
import re
import ssl
import threading
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from schemas.record import millis_of
from sources.hooks.signature import CertificateUnavailable, SignatureRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import Certificate

_T = TypeVar("_T")

CERTIFICATE_BYTES = 32 * 1024
"""Bytes; SNS's has 2 KiB."""
FETCH_SECONDS = 5.0
KEPT_MS = 24 * 3_600_000
FAILURE_KEPT_MS = 30_000
"""So long a URL that could not be fetched is not asked for again."""

_HOST = re.compile(r"sns\.[a-z]{2}(-[a-z]+)+-\d{1,2}\.amazonaws\.com(\.cn)?").fullmatch
"""Of a region. Amazon's own validators would take sns.s3-us-west-2.amazonaws.com as well, which is anybody's bucket."""
_PATH = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem").fullmatch
_SUBJECT = re.compile(r"sns(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?").fullmatch

Fetch = Callable[[str], bytes]
"""Gets a certificate's bytes by https within seconds, no more than `CERTIFICATE_BYTES` + 1 of them.

Raises OSError where it can't.
"""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could lead anywhere: it is an error."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        """Never follows."""


def fetch(url: str) -> bytes:
    """Get a certificate, checking the host's own. Raises OSError."""
    opener = urllib.request.build_opener(
        _NoRedirects, urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    try:
        with opener.open(url, timeout=FETCH_SECONDS) as answer:
            content: bytes = answer.read(CERTIFICATE_BYTES + 1)
    except http.client.HTTPException as error:
        raise OSError(f"no proper answer: {type(error).__name__}") from error
    return content


def is_sns_url(url: str) -> bool:
    """Whether a URL is https at one of SNS's own hosts, and nothing is tucked into it."""
    if not url.isascii() or any(character <= " " or character == "\\" for character in url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = parts.username is None and parts.password is None and port in (None, 443) and not parts.fragment
    return parts.scheme == "https" and plain and _HOST(parts.hostname or "") is not None


@dataclass(frozen=True, slots=True)
class _Kept:
    key: "RSAPublicKey"
    until_ms: int
    not_before_ms: int
    not_after_ms: int


class Certificates:
    """Public keys by certificate URL; remembers a few. Safe from several threads."""

    def __init__(self, fetch: Fetch = fetch, at_most: int = 16) -> None:
        self._fetch, self._at_most = fetch, at_most
        self._lock = threading.Lock()
        self._fetching = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._failed: OrderedDict[str, int] = OrderedDict()

    def key_at(self, url: str, now_ms: int) -> "RSAPublicKey":
        """The key of the certificate at a URL. Raises SignatureRefused, CertificateUnavailable."""
        # With a query it would be whatever SNS's API answers to it.
        if not is_sns_url(url) or "?" in url or not _PATH(urlsplit(url).path):
            raise SignatureRefused("host", "a certificate that is not at one of SNS's own hosts")
        kept = self._remembered(url, now_ms)
        if kept is None:
            # One at a time: a stranger's requests open one connection, and not as many as there are threads.
            with self._fetching:
                kept = self._remembered(url, now_ms) or self._fetched(url, now_ms)
        if not kept.not_before_ms <= now_ms <= kept.not_after_ms:
            raise SignatureRefused("certificate", "a certificate that has expired, or is not valid yet")
        return kept.key

    def is_kept(self, url: str, now_ms: int) -> bool:
        """Whether `key_at` has the key of this URL already."""
        with self._lock:
            kept = self._kept.get(url)
            return kept is not None and now_ms < kept.until_ms

    def _remembered(self, url: str, now_ms: int) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(url)
            if kept is not None and now_ms < kept.until_ms:
                self._kept.move_to_end(url)
                return kept
            if self._failed.get(url, now_ms) > now_ms:
                raise CertificateUnavailable("SNS's certificate could not be fetched a moment ago")
        return None

    def _fetched(self, url: str, now_ms: int) -> _Kept:
        try:
            content = self._fetch(url)
        except urllib.error.HTTPError as error:
            with self._lock:
                self._remember(self._failed, url, now_ms + FAILURE_KEPT_MS)
            if error.code in (403, 404):
                raise SignatureRefused("certificate", "there is no certificate at its URL") from None
            raise CertificateUnavailable(
                f"SNS's certificate can't be fetched: HTTP status {error.code}"
            ) from None
        except OSError as error:
            with self._lock:
                self._remember(self._failed, url, now_ms + FAILURE_KEPT_MS)
            why = getattr(error, "reason", None) or error
            raise CertificateUnavailable(
                f"SNS's certificate can't be fetched from {urlsplit(url).hostname}: {why}"
            ) from None
        kept = _read(content, now_ms)
        with self._lock:
            self._remember(self._kept, url, kept)
        return kept

    def _remember(self, memory: OrderedDict[str, _T], url: str, value: _T) -> None:
        memory[url] = value
        memory.move_to_end(url)
        while len(memory) > self._at_most:
            memory.popitem(last=False)


def _read(content: bytes, now_ms: int) -> _Kept:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if len(content) > CERTIFICATE_BYTES:
        raise SignatureRefused("certificate", f"a certificate of more than {CERTIFICATE_BYTES} bytes")
    try:
        certificate = x509.load_pem_x509_certificate(content)
        key = certificate.public_key()
    except ValueError:
        raise SignatureRefused("certificate", "what is at its URL is no certificate") from None
    if not isinstance(key, RSAPublicKey):
        raise SignatureRefused("certificate", "a certificate whose key is not RSA")
    if not any(map(_SUBJECT, _names(certificate))):
        raise SignatureRefused("certificate", "a certificate that is not SNS's own")
    return _Kept(
        key,
        now_ms + KEPT_MS,
        millis_of(certificate.not_valid_before_utc),
        millis_of(certificate.not_valid_after_utc),
    )


def _names(certificate: "Certificate") -> list[str]:
    from cryptography import x509

    subject = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    names = [name.value for name in subject if isinstance(name.value, str)]
    try:
        others = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return names
    return [*names, *others.get_values_for_type(x509.DNSName)]
