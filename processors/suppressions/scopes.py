"""Which mail a recipient's word is about: the streams that a complaint, an unsubscription or a dead address closes.

- A dead address takes no mail of any kind.
- Who complains wants no more of it. Of marketing and cold mail that leaves transactional mail alone, which the recipient
  asks for by what they do (Gmail's and Yahoo's sender guidelines keep the kinds apart, and so do providers' suppression
  lists by stream). Who calls a receipt spam, or a message of a kind nobody told, gets nothing more.
- Who unsubscribes from marketing or from cold mail wants no commercial mail of either kind (CAN-SPAM, 16 CFR 316: the
  opt-out is the sender's, not the campaign's). From transactional mail it is that stream's alone. Where nobody told the
  stream it is everything but transactional mail, which by RFC 8058 has no such link as a rule.
- Who subscribes again takes that back, and that alone.
"""

from collections.abc import Mapping

_COMMERCIAL: tuple[str, ...] = ("marketing", "cold")
_NOT_TRANSACTIONAL: tuple[str, ...] = ("marketing", "cold", "other")

EVERY_STREAM: tuple[str, ...] = ("all",)
"""What a dead address closes."""

COMPLAINT: Mapping[str, tuple[str, ...]] = {
    "marketing": _NOT_TRANSACTIONAL,
    "cold": _NOT_TRANSACTIONAL,
    "transactional": EVERY_STREAM,
    "other": EVERY_STREAM,
}
"""What a complaint about a message of a stream closes."""

UNSUBSCRIBED: Mapping[str, tuple[str, ...]] = {
    "marketing": _COMMERCIAL,
    "cold": _COMMERCIAL,
    "transactional": ("transactional",),
    "other": _NOT_TRANSACTIONAL,
}
"""What an unsubscription by a message of a stream closes, and a new subscription opens."""
