"""A bound to how many do the same at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from poolserver.api.problem import ApiError


class Gate:
    """So many may be inside at once."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Inside of it.

        Raises:
            ApiError: too many are.
        """
        if not self._free:
            raise ApiError("too_many", "ask again in a second")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
