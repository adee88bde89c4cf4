"""What a container is told, its variables and its command, held against mailwake's own settings and command line."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import typer
from pydantic import SecretStr

from mailwake.cli.app import app
from mailwake.settings import Settings, load_settings

PREFIX = "MAILWAKE_"

SECRETS = {
    PREFIX + name.upper()
    for name, field in Settings.model_fields.items()
    if SecretStr in (field.annotation, *get_args(field.annotation))
}
"""The variables that hold passwords."""


def settings(variables: Mapping[str, str], folder: Path) -> Settings:
    """What mailwake makes of a container's variables. Fails for one that is no setting, or has a value it does not take."""
    ours = {name: value for name, value in variables.items() if name.startswith(PREFIX)}
    unknown = [name for name in ours if name.removeprefix(PREFIX).lower() not in Settings.model_fields]
    assert unknown == [], f"no such settings: {unknown}"
    with environment(ours, folder):
        return load_settings()


@contextmanager
def environment(variables: Mapping[str, str], folder: Path) -> Iterator[None]:
    """These settings and no others, in a folder without a mailwake.toml."""
    before, home = dict(os.environ), Path.cwd()
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(variables)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(home)
        os.environ.clear()
        os.environ.update(before)


def parsed(arguments: Sequence[str]) -> Mapping[str, Any]:
    """The options of a command. Fails for one that mailwake does not have, or that wants something else."""
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands"):
        assert rest and rest[0] in command.commands, (
            f"mailwake {' '.join(arguments)}: there are {list(command.commands)}"
        )
        command = command.commands[rest.pop(0)]
    return dict(command.make_context(command.name, rest).params)
