"""The ruleset that the settings name."""

from typing import TYPE_CHECKING

from mailwake.settings import Settings, SettingsError

if TYPE_CHECKING:
    from processors.classification.ruleset import Ruleset


def ruleset_of(settings: Settings) -> "Ruleset":
    """The ruleset that MAILWAKE_RULESET pins, else the newest. Raises SettingsError where there is none of that name."""
    from processors.classification.ruleset import RulesetError, active_ruleset, ruleset_named

    if settings.ruleset is None:
        return active_ruleset()
    try:
        return ruleset_named(settings.ruleset)
    except RulesetError as error:
        raise SettingsError(f"MAILWAKE_RULESET: {error}") from None
