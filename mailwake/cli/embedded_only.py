"""What only a log in SQLite has, and what does the same for one in Kafka."""

from mailwake.settings import Settings, SettingsError, is_kafka

INSTEAD = {
    "up": "mailwake worker works on that one, and the warehouse's server answers queries",
    "run": "mailwake worker works on that one; mailwake status says when nothing waits any more",
    "pause": "leave the part to nobody instead: mailwake worker --only, with the parts that are to go on",
    "resume": "workers of that one are not paused; mailwake worker --only says which parts a worker does",
    "replay": "to derive everything anew, mailwake log copy into a new prefix, and let workers fill a new database",
    "backup": "Kafka's replicas keep that one; for a copy, mailwake log copy into another cluster or sqlite:///PATH",
    "restore": "mailwake log copy from a copy into a new prefix brings that one back",
}
"""By command."""


def what_loads(settings: Settings) -> str:
    """The command that counts and loads what is in the log."""
    return (
        "mailwake worker"
        if is_kafka(settings.log)
        else "mailwake run --until-idle (or leave mailwake up running)"
    )


def embedded(settings: Settings, command: str) -> Settings:
    """The settings, for a command that needs a log in SQLite. Raises SettingsError where it is in Kafka."""
    if is_kafka(settings.log):
        raise SettingsError(
            f"mailwake {command} is for a log in SQLite, and MAILWAKE_LOG is {settings.log}: {INSTEAD[command]}"
        )
    return settings
