"""Commands that are imported when they are called: the command line answers at once.

All of the pool takes 0.8 s to import, and completion asks at each press of a key. What a list of
commands shows stands in the list; a test holds it to what each command says of itself.
"""

from importlib import import_module
from typing import Any

import click


class Lazy(click.Command):
    """A command of a list: its name, the module of ``poolserver.commands`` and the name in it
    where it is, and what it does in one sentence."""

    def __init__(self, name: str, where: str, says: str) -> None:
        super().__init__(name, short_help=says)
        self._where = where

    @property
    def real(self) -> click.Command:
        """The command itself."""
        module, _, attribute = self._where.partition(":")
        command = getattr(import_module(f"poolserver.commands.{module}"), attribute)
        assert isinstance(command, click.Command), command
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Click asks for it when the command is called, and goes on with the context's command."""
        return self.real.make_context(*args, **kwargs)


def add_all(group: click.Group, commands: tuple[Lazy, ...]) -> None:
    """To the group, under their names."""
    for command in commands:
        group.add_command(command)
