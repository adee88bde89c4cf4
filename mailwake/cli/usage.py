"""What was typed and can't be used, told as every other mistake: one line that says what is wanted, and exit code 2."""

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from mailwake.cli.failures import NOT_SO, USAGE
from mailwake.cli.output import plain


class Commands(TyperGroup):
    """The root of the command line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """See `TyperGroup.main`; mistakes are a line on stderr, not typer's box."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.Abort:
            sys.stderr.write("mailwake: stopped, as you asked; nothing was done\n")
            sys.exit(NOT_SO)
        except typer.TyperException as error:
            told = _told(error)
            if told:
                sys.stderr.write(f"mailwake: {told}\n")
            sys.exit(getattr(error, "exit_code", USAGE))
        if standalone_mode:
            sys.exit(code)
        return code


def _told(error: typer.TyperException) -> str:
    """Empty where the help was shown instead: nothing at all was asked for."""
    context: typer.Context | None = getattr(error, "ctx", None)
    said = error.format_message()
    if not said:
        return ""
    problem = _missing(error, context) if isinstance(error, typer.BadParameter) else ""
    if not problem:
        problem = plain(" ".join(said.replace("Value error, ", "").split()).rstrip("."))
    if context is None:
        return problem
    where = context.command_path.partition(" ")[2]
    return f"{where}{': ' if where else ''}{problem} ({context.command_path} --help)"


def _missing(error: typer.BadParameter, context: typer.Context | None) -> str:
    """All that is wanted and was not given, where something was not; else empty.

    What was given is looked at before what was not, so that all of it is known then. Of a value that is bad the error
    has a message; of one that is missing it only says which.
    """
    if error.message or context is None:
        return ""
    wanted = [
        _named(one, context)
        for one in context.command.params
        if one.required and context.params.get(one.name or "") is None
    ]
    first = ", ".join(wanted[:-1])
    return f"{first} and {wanted[-1]} are wanted" if first else f"{wanted[0]} is wanted"


def _named(parameter: Any, context: typer.Context) -> str:
    name: str = parameter.metavar or ""
    if parameter.param_type_name == "argument":
        return name or str(parameter.name).upper()
    choices = parameter.get_missing_message(ctx=context) or ""
    words = "|".join(choices.partition(":")[2].replace(",", " ").split())
    return " ".join(filter(None, (parameter.opts[0], name or words)))
