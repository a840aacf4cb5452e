"""What the commands that verify have alike: what they are told, and how they end."""

from collections.abc import Callable, Sequence
from typing import Any

import click

EXIT_DIFFERENCES = 1
EXIT_NOT_CHECKED = 2


class Parsed(click.ParamType[Any]):
    """A value that ``read`` makes of a text, which raises ValueError where it cannot."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return self._read(value) if isinstance(value, str) else value
        except ValueError:
            self.fail(f"{value!r} is no {self.name}", param, ctx)


def read_hash(text: str) -> bytes:
    """32 bytes of their hex digits.

    Raises:
        ValueError: it is something else.
    """
    data = bytes.fromhex(text)
    if len(data) != 32:
        raise ValueError("a hash has 32 bytes")
    return data


def tell_differences(texts: Sequence[str], count: int) -> None:
    """Print the differences that were kept, and how many of the ``count`` were not."""
    for text in texts:
        click.echo(f"DIFFERS {text}")
    if count > len(texts):
        click.echo(f"and {count - len(texts)} more differences")
