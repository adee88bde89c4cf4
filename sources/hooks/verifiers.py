"""Which provider's requests are judged by whom."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sources.hooks.certificates import Certificates
from sources.hooks.configured import ELSEWHERE, Hook, looked_up
from sources.hooks.hmac_keys import (
    MailerSendVerifier,
    MailgunVerifier,
    MailtrapVerifier,
    MandrillVerifier,
    SvixVerifier,
)
from sources.hooks.public_keys import PostalVerifier, SendGridVerifier
from sources.hooks.shared_secret import SharedSecretVerifier
from sources.hooks.signature import Verifier
from sources.hooks.sns import AmazonVerifier

_SIGNED: dict[str, Callable[[Hook], Verifier]] = {
    "sendgrid": SendGridVerifier,
    "mailgun": MailgunVerifier,
    "resend": SvixVerifier,
    "mandrill": MandrillVerifier,
    "mailersend": MailerSendVerifier,
    "mailtrap": MailtrapVerifier,
    "postal": PostalVerifier,
}


def verifier_of(hook: Hook, certificates: Certificates | None = None) -> Verifier:
    """Who judges a hook's requests. Make it once: it remembers certificates and tokens.

    `certificates` can be shared among SNS hooks. Raises InvalidHook on a key that is none.
    """
    if hook.provider == "ses":
        return AmazonVerifier(hook, certificates or Certificates())
    if hook.keys:
        return _SIGNED[hook.provider](hook)
    return SharedSecretVerifier(hook)


def require_usable(hook: Hook, environment: Mapping[str, str]) -> None:
    """That a hook whose secrets may be elsewhere could be judged, as far as they can be read here.

    A variable that is not set may be set for the intake: it is passed over. Raises InvalidHook for a file that can't be read,
    for a key that is none of the provider's kind, for what is no secret of its setting.
    """
    found = looked_up(hook, environment)
    keys = tuple(key for key in found.keys if not key.startswith(ELSEWHERE))
    if keys:
        verifier_of(replace(found, keys=keys))
