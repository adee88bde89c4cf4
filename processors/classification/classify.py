"""What a receiver's reply means, by a ruleset.

>>> verdict = classify(Reply("550 5.1.1 <address>: user unknown"), active_ruleset())
>>> verdict.bounce_class, verdict.leaf, verdict.address_fatal
('bad_mailbox', 'unknown', True)
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from processors.classification.matching import matcher_of
from processors.classification.reply import LONGEST, Heard, Reply, hear
from processors.classification.ruleset import Rule, Ruleset, active_ruleset

__all__ = ["Reply", "Ruleset", "Verdict", "active_ruleset", "classify"]

_BEYOND_DOUBT = ("token", "scoped")

_KEPT = 2 * LONGEST
"""Characters of a text that are looked at, and remembered with its verdict."""

NO_RULE = "none"
"""What `Verdict.rule` and `Verdict.layer` say where no rule knows the reply."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply means."""

    bounce_class: str
    """`schemas.classification.BounceClass`."""
    leaf: str
    """Which of its class, as `quota`."""
    address_fatal: bool
    """Nobody should be mailed at this address any more, once it happened `after` times."""
    after: int
    """How many such facts make it fatal to the address."""
    message_fatal: bool
    """This message should not be tried again."""
    scope: str
    """`schemas.classification.Scope`."""
    action: str
    """`schemas.classification.Action`."""
    rule: str
    """The id of the rule that decided."""
    layer: str
    """Its layer: `processors.classification.ruleset.LAYERS`."""


def classify(reply: Reply, ruleset: Ruleset) -> Verdict:
    """What the reply means. Never raises: what no rule knows is `unknown`.

    A reply that is for now (4yz) is never fatal to its address: who says so may say otherwise in an hour, and what stays
    wrong is told by a permanent failure in the end. Verdicts are remembered: most replies are repeats.
    """
    if reply.text is not None and len(reply.text) > _KEPT:
        reply = replace(reply, text=reply.text[:_KEPT])
    return _repeated(reply, ruleset)


@lru_cache(maxsize=32_768)
def _repeated(reply: Reply, ruleset: Ruleset) -> Verdict:
    heard = hear(reply)
    rule, is_doubtful = matcher_of(ruleset).first(heard)
    return _unknown(heard, ruleset) if rule is None else _verdict(rule, heard, is_doubtful)


def _verdict(rule: Rule, heard: Heard, is_doubtful: bool) -> Verdict:
    bounce_class, _, leaf = rule.leaf.partition(".")
    means = rule.consequences
    action = means.action
    address_fatal = means.address_fatal and not heard.refused_for_now and not heard.will_retry
    if address_fatal and is_doubtful and rule.layer not in _BEYOND_DOUBT:
        address_fatal, action = False, "review"
    if heard.will_retry and action in ("suppress", "review"):
        action = "retry"
    return Verdict(
        bounce_class,
        leaf,
        address_fatal,
        means.after if address_fatal else 1,
        means.message_fatal and not heard.will_retry,
        means.scope,
        action,
        rule.id,
        rule.layer,
    )


def _unknown(heard: Heard, ruleset: Ruleset) -> Verdict:
    means = ruleset.leaves["unknown.unknown"]
    message_fatal = means.message_fatal and not heard.will_retry
    action = "retry" if heard.will_retry else means.action
    return Verdict("unknown", "unknown", False, 1, message_fatal, means.scope, action, NO_RULE, NO_RULE)
