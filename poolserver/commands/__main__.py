"""``python -m poolserver.commands`` prints the reference of all commands, and with the name of a
file, docs/cli.md, writes it there, in place of all that stands below "All commands"."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from poolserver.cli import main
from poolserver.commands.lazy import Lazy

HEADING = "## All commands"


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands that do something, each with its whole name, in the order of the lists."""
    for name, command in group.commands.items():
        real = command.real if isinstance(command, Lazy) else command
        if isinstance(real, click.Group):
            if real.invoke_without_command:
                yield f"{path}{name}", real
            yield from commands(real, f"{path}{name} ")
        else:
            yield f"{path}{name}", real


def reference() -> str:
    """Markdown: a section for each command, with all that it takes."""
    return "\n".join(_section(name, command) for name, command in commands(main)).rstrip()


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"poolserver {name}", max_content_width=88)
    context.terminal_width = 88
    return f"### {name}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


def write_into(path: Path) -> None:
    """Anew, below HEADING."""
    above, _, _ = path.read_text().partition(HEADING)
    path.write_text(f"{above}{HEADING}\n\n{reference()}\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_into(Path(sys.argv[1]))
    else:
        print(reference())
