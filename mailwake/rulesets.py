"""The ruleset that the settings name."""

import re
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
        found = ruleset_named(settings.ruleset)
    except RulesetError as error:
        raise SettingsError(f"MAILWAKE_RULESET: {error}") from None
    if not re.fullmatch(r"[\w.-]{1,64}", found.name):
        raise SettingsError(
            f"MAILWAKE_RULESET: the folder's name {found.name!r} is the ruleset's name in events: up to 64 letters, digits, "
            "dots, hyphens and underscores"
        )
    return found
