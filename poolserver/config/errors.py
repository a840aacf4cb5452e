"""What is wrong with a configuration, as its author needs to hear it: all of it, and where."""

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing to mend. ``path`` is its place in the file, or the file if that cannot be read."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


class ConfigError(Exception):
    """A configuration that cannot be used. ``str()`` is every problem, one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))
