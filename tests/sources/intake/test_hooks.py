"""POST /hooks/{source}/{token}: kept as it came once it is proved who sent it, and nothing otherwise."""

import base64
import gzip
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from houses import House, house

from sources.hooks.signature import CertificateUnavailable, Verified
from sources.intake import hooks as hooks_module
from sources.intake import kept_file
from sources.intake.confirming import NotConfirmed
from sources.intake.hook_editing import add_hook, remove_hook
from sources.intake.hook_file import Mounted
from sources.intake.limits import IntakeLimits

BODY = b'[{"msys": {"message_event": {"type": "delivery", "rcpt_to": "jo.doe@gmail.com"}}}]'
MAILGUN_KEY = "key-of-the-bench-of-tests"
BASIC = {"authorization": "Basic " + base64.b64encode(b"user:password").decode()}


@pytest.fixture
def sparkpost(here: House) -> str:
    hook = add_hook(here.hooks.path, "sparkpost", {"provider": "sparkpost", "basic": "user:password"})
    return f"/hooks/sparkpost/{hook.token}"


@pytest.fixture
def mailgun(here: House) -> str:
    hook = add_hook(
        here.hooks.path, "mailgun", {"provider": "mailgun", "keys": [MAILGUN_KEY], "tenant": "acme"}
    )
    return f"/hooks/mailgun/{hook.token}"


@pytest.fixture
def ses(here: House) -> str:
    return f"/hooks/ses/{add_hook(here.hooks.path, 'ses', {'provider': 'ses'}).token}"


def mailgun_body(at: int | None = None, key: str = MAILGUN_KEY, token: str = "t" * 50) -> bytes:
    when = str(at if at is not None else int(time.time()))
    signature = hmac.new(key.encode(), f"{when}{token}".encode(), "sha256").hexdigest()
    signed = {"timestamp": when, "token": token, "signature": signature}
    return json.dumps({"signature": signed, "event-data": {"event": "delivered", "id": "x"}}).encode()


def test_a_body_is_kept_as_it_came(here: House, sparkpost: str) -> None:
    said = here.post(sparkpost, content=BODY, headers={**BASIC, "content-type": "application/json"})
    (document,) = here.events("documents")
    assert (said.status_code, said.json()) == (200, {"receipt_id": document.receipt_id})
    assert (document.source, document.channel, document.tenant) == ("sparkpost", "hook", "default")
    assert (document.content, document.size, document.content_type) == (BODY, len(BODY), "application/json")


def test_it_is_sealed_where_its_tenant_has_a_key(tmp_path: Path) -> None:
    with house(tmp_path, sealed=True) as here:
        hook = add_hook(here.hooks.path, "h", {"provider": "sparkpost", "unsigned": True})
        assert here.post(f"/hooks/sparkpost/{hook.token}", content=BODY).status_code == 200
        (document,) = here.events("documents")
    assert b"jo.doe" not in document.content and b"jo.doe" not in (tmp_path / "log.db").read_bytes()


def test_a_forgotten_tenant_takes_nothing(tmp_path: Path) -> None:
    with house(tmp_path, sealed=True) as here:
        settings = {"provider": "sparkpost", "unsigned": True, "tenant": "forgotten"}
        hook = add_hook(here.hooks.path, "h", settings)
        said = here.post(f"/hooks/sparkpost/{hook.token}", content=BODY)
        assert (said.status_code, said.json()["error"]) == (403, "tenant_forgotten")
        assert here.events("documents") == []


def test_a_hook_brings_its_tenant_and_from_domain(here: House) -> None:
    settings = {"provider": "postmark", "unsigned": True, "tenant": "acme", "from_domain": "Acme.example"}
    hook = add_hook(here.hooks.path, "acme", settings)
    here.post(f"/hooks/postmark/{hook.token}", content=b"{}")
    (document,) = here.events("documents")
    assert (document.tenant, document.from_domain) == ("acme", "acme.example")


def test_a_large_body_goes_to_the_blobs(here: House, sparkpost: str) -> None:
    large = json.dumps([{"x": "y" * 600_000}]).encode()
    assert here.post(sparkpost, content=large, headers=BASIC).status_code == 200
    (document,) = here.events("documents")
    assert document.content is None and document.size == len(large)
    assert sum(file.stat().st_size for file in (here.folder / "blobs").rglob("*") if file.is_file()) == len(
        large
    )


def test_a_compressed_body_is_kept_as_it_was_meant(here: House, sparkpost: str) -> None:
    headers = {**BASIC, "content-encoding": "gzip"}
    assert here.post(sparkpost, content=gzip.compress(BODY), headers=headers).status_code == 200
    assert here.events("documents")[0].content == BODY


@pytest.mark.parametrize("change", [lambda url: url + "x", lambda url: url.replace("sparkpost", "postmark")])
def test_another_token_or_provider_is_no_hook(here: House, sparkpost: str, change: Any) -> None:
    said = here.post(change(sparkpost), content=BODY, headers=BASIC)
    assert (said.status_code, said.json()["error"], here.events("documents")) == (404, "no_such_hook", [])


def test_a_provider_may_ask_whether_the_url_is_there(here: House, sparkpost: str) -> None:
    assert here.send("HEAD", sparkpost).status_code == 200
    assert here.send("HEAD", sparkpost + "x").status_code == 404


def refused(here: House, said: Any, status: int, reason: str) -> None:
    assert (said.status_code, said.json()["error"]) == (status, f"signature_{reason}")
    assert here.events("documents") == []


@pytest.fixture
def counted(measured):  # type: ignore[no-untyped-def]
    return lambda provider, reason: measured.get_sample_value(
        "mailwake_intake_signatures_refused_total", {"provider": provider, "reason": reason}
    )


def test_what_is_not_proved_is_refused_counted_and_not_kept(
    here: House, sparkpost: str, mailgun: str, counted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    refused(here, here.post(sparkpost, content=BODY), 401, "missing")
    refused(here, here.post(mailgun, content=mailgun_body(key="another")), 403, "mismatch")
    refused(here, here.post(mailgun, content=mailgun_body(at=int(time.time()) - 9 * 3600)), 403, "stale")
    assert [counted("mailgun", "mismatch"), counted("mailgun", "stale"), counted("sparkpost", "missing")] == [
        1,
        1,
        1,
    ]
    assert MAILGUN_KEY not in caplog.text and "password" not in caplog.text


def test_of_two_headers_of_one_name_the_first_counts(here: House, sparkpost: str) -> None:
    wrong = ("Authorization", "Basic " + base64.b64encode(b"user:wrong").decode())
    right = ("authorization", BASIC["authorization"])
    assert here.post(sparkpost, content=BODY, headers=[right, wrong]).status_code == 200
    assert here.post(sparkpost, content=BODY, headers=[wrong, right]).status_code == 403


@pytest.mark.parametrize("body", [b"", b"hello", b"{"])
def test_a_body_that_is_no_json_is_said_to_be_none(here: House, mailgun: str, body: bytes) -> None:
    hook = add_hook(here.hooks.path, "ses", {"provider": "ses", "unsigned": True})
    for url, provider in ((f"/hooks/ses/{hook.token}", "ses"), (mailgun, "mailgun")):
        said = here.post(url, content=body)
        assert (said.status_code, said.json()["error"]) == (400, "not_json")
        assert f"no JSON, as {provider} posts it" in said.json()["message"]
    assert here.events("documents") == []


def test_mandrills_signature_is_of_the_url_that_was_printed_whatever_a_proxy_makes_of_it(
    tmp_path: Path,
) -> None:
    key, events = "a key of mandrill's", "[]"
    with house(tmp_path, public_url="https://mail.example/in/") as here:
        token = add_hook(here.hooks.path, "m", {"provider": "mandrill", "keys": [key]}).token
        path = f"/hooks/mandrill/{token}"
        for url, status in (
            ("https://mail.example/in", 200), ("http://127.0.0.1:8025", 200), ("https://other.example", 403)
        ):  # fmt: skip
            signed = f"{url}{path}mandrill_events{events}".encode()
            proof = base64.b64encode(hmac.digest(key.encode(), signed, "sha1")).decode()
            said = here.post(path, data={"mandrill_events": events}, headers={"x-mandrill-signature": proof})
            assert said.status_code == status, said.text


def test_signatures_that_come_together_are_judged_each_by_itself(here: House) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    shown = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    known = {"provider": "sendgrid", "keys": [base64.b64encode(shown).decode()]}
    path = f"/hooks/sendgrid/{add_hook(here.hooks.path, 'sendgrid', known).token}"
    when = str(int(time.time()))

    def post(number: int) -> tuple[str, bytes, dict[str, str]]:
        body = b'[{"event": "open", "sg_event_id": "%d"}]' % number
        signed = when.encode() + (body if number % 3 else b"another body")
        headers = {
            "x-twilio-email-event-webhook-signature": base64.b64encode(
                key.sign(signed, ec.ECDSA(SHA256()))
            ).decode(),
            "x-twilio-email-event-webhook-timestamp": when,
        }
        return path, body, headers

    posts = [post(number) for number in range(30)]
    assert [said.status_code for said in here.together(posts)] == [403, 200, 200] * 10
    assert {document.content for document in here.events("documents")} == {
        body for at, (_, body, _) in enumerate(posts) if at % 3
    }


def test_a_signature_is_good_within_its_window_and_for_its_content_only(here: House, mailgun: str) -> None:
    body = mailgun_body()
    assert here.post(mailgun, content=body).status_code == 200
    assert here.post(mailgun, content=body).status_code == 200, "a retry"
    other = json.loads(body) | {"event-data": {"event": "complained"}}
    said = here.post(mailgun, content=json.dumps(other).encode())
    assert (said.status_code, said.json()["error"]) == (403, "signature_replayed")
    assert [document.tenant for document in here.events("documents")] == ["acme", "acme"]


class Says:
    """A verifier that says what it is told to."""

    laborious = False

    def __init__(self, said: Verified | Exception) -> None:
        self._said = said

    def waits(self, request: object) -> bool:
        return True

    def verify(self, request: object) -> Verified:
        if isinstance(self._said, Exception):
            raise self._said
        return self._said


def let_say(here: House, said: Verified | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    (mounted,) = here.hooks.hooks().values()
    monkeypatch.setattr(here.hooks, "find", lambda *_: Mounted(mounted.hook, Says(said)))


def test_a_subscription_is_confirmed_before_it_is_answered(
    here: House, ses: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited: list[str] = []
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    let_say(here, Verified("sns", subscribe_url=url), monkeypatch)
    monkeypatch.setattr(hooks_module, "confirm", visited.append)
    assert here.post(ses, content=b'{"Type": "SubscriptionConfirmation"}').status_code == 200
    assert visited == [url]
    assert [document.channel for document in here.events("documents")] == ["sns"]

    def fails(_: str) -> None:
        raise NotConfirmed("no answer")

    monkeypatch.setattr(hooks_module, "confirm", fails)
    said = here.post(ses, content=b"{}")
    assert (said.status_code, said.json()["error"]) == (503, "not_confirmed")
    assert said.headers["retry-after"] and len(here.events("documents")) == 1


def test_a_certificate_that_can_not_be_had_is_waited_for(
    here: House, ses: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_say(here, CertificateUnavailable("no answer"), monkeypatch)
    said = here.post(ses, content=b"{}")
    assert (said.status_code, said.headers["retry-after"], here.events("documents")) == (503, "30", [])


def test_a_certificate_from_elsewhere_opens_nothing(here: House, ses: str) -> None:
    message = {
        "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "{}",
        "Timestamp": "2026-11-30T10:00:00.000Z", "SignatureVersion": "1", "Signature": base64.b64encode(b"x").decode(),
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
    }  # fmt: skip
    refused(here, here.post(ses, content=json.dumps(message).encode()), 403, "host")


def test_hooks_come_and_go_while_it_runs(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_file, "LOOK_AGAIN_S", 0)
    path = here.hooks.path
    assert here.post("/hooks/postmark/a-token-that-is-none", content=b"{}").status_code == 404
    hook = add_hook(path, "one", {"provider": "postmark", "unsigned": True})
    assert here.post(f"/hooks/postmark/{hook.token}", content=b"{}").status_code == 200
    path.write_text(path.read_text() + "\n[broken\n")
    assert here.post(f"/hooks/postmark/{hook.token}", content=b"{}").status_code == 200, "as it was"
    text = path.read_text().replace("[broken\n", "")
    path.unlink()
    for token in (hook.token, "a-token-that-is-none"):
        said = here.post(f"/hooks/postmark/{token}", content=b"{}")
        assert (said.status_code, said.headers.get("retry-after")) == (503, "30"), (
            "a file that is away comes back"
        )
    path.write_text(text)
    assert here.post(f"/hooks/postmark/{hook.token}", content=b"{}").status_code == 200
    remove_hook(path, "one")
    assert here.post(f"/hooks/postmark/{hook.token}", content=b"{}").status_code == 404


def test_a_secret_that_changes_in_its_file_is_taken_at_once(
    here: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kept_file, "LOOK_AGAIN_S", 0)
    secret = tmp_path / "secret"
    secret.write_text("user:old")
    hook = add_hook(here.hooks.path, "one", {"provider": "postmark", "basic": f"file:{secret}"})

    def status(password: str) -> int:
        credentials = base64.b64encode(f"user:{password}".encode()).decode()
        headers = {"authorization": f"Basic {credentials}"}
        return here.post(f"/hooks/postmark/{hook.token}", content=b"{}", headers=headers).status_code

    assert (status("old"), status("renewed")) == (200, 403)
    secret.write_text("user:renewed")
    assert (status("old"), status("renewed")) == (403, 200)
    secret.unlink()
    assert status("renewed") == 200, "as it was"
    secret.write_text("user:last")
    assert (status("renewed"), status("last")) == (403, 200)


def test_a_hook_that_can_not_be_used_keeps_no_other_from_being_used(
    here: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kept_file, "LOOK_AGAIN_S", 0)
    path, key = here.hooks.path, tmp_path / "there" / "key.pub"
    path.write_text(
        f"""
        [bad]
        provider = "sendgrid"
        token = "a-token-of-the-bad-one"
        keys = ["file:{key}"]
        [typo]
        provider = "postmark"
        token = "a-token-of-the-slip"
        unsinged = true
        [nowhere]
        provider = "postmark"
        token = "env:NOT_SET_FOR_ANYBODY"
        unsigned = true
        [good]
        provider = "postmark"
        token = "a-token-of-the-good-one"
        unsigned = true
        """
    )

    def status(url: str) -> int:
        return here.post(f"/hooks/{url}", content=b"{}").status_code

    assert status("postmark/a-token-of-the-good-one") == 200
    said = here.post("/hooks/sendgrid/a-token-of-the-bad-one", content=b"[]")
    assert (said.status_code, said.json()["error"], said.headers["retry-after"]) == (
        503,
        "hook_unusable",
        "30",
    )
    assert here.send("HEAD", "/hooks/postmark/a-token-of-the-slip").status_code == 503
    assert status("sendgrid/another-token-altogether") == 404
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [message.split(":")[0] for message in errors] == ["hook bad", "hook typo", "hook nowhere"]
    assert str(key) in errors[0] and "unsinged is no setting" in errors[1] and str(path) in errors[2]
    path.write_text(path.read_text().replace("unsinged", "unsigned"))
    assert status("postmark/a-token-of-the-slip") == 200, "later changes are taken"
    key.parent.mkdir()
    key.write_text("no key")
    assert status("sendgrid/a-token-of-the-bad-one") == 503
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert status("sendgrid/a-token-of-the-bad-one") == 401, "there is a key, and no signature"
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 4, "each is said once"


def test_a_file_of_nothing_but_unusable_hooks_ends_that_programs_are_heard_without_a_key(here: House) -> None:
    here.hooks.path.write_text("[bad]\nprovider = 'sendgrid'\ntoken = 'a-token-of-the-bad-one'\n")
    assert here.hooks.hooks() == {} and here.hooks.was_used


def test_a_body_larger_than_it_may_be_is_refused(tmp_path: Path) -> None:
    with house(tmp_path, IntakeLimits(hook_bytes=1_000)) as here:
        hook = add_hook(here.hooks.path, "h", {"provider": "postmark", "unsigned": True})
        said = here.post(f"/hooks/postmark/{hook.token}", content=b"x" * 1_001)
        assert (said.status_code, said.json()["error"], here.events("documents")) == (413, "too_large", [])
