"""Which provider's requests are judged by whom."""

from collections.abc import Callable

from sources.hooks.certificates import Certificates
from sources.hooks.configured import Hook
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
