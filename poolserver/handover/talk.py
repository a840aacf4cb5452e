"""The words of state.py over a passage, from the event loop: all that waits does so in a thread."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from poolserver.handover.passing import Passage, close_all
from poolserver.handover.state import Failed, HandoverError, Message, decode, encode

M = TypeVar("M")


class Talk:
    """One end of it."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def wait_at_most(self, timeout_s: float) -> None:
        """For each word that is told or heard from now on."""
        self._passage.wait_at_most(timeout_s)

    async def tell(self, word: Message | Callable[[], Message], fds: Sequence[int] = ()) -> None:
        """Say a word, or what makes one and takes its time for it.

        Raises:
            PassingError: the other does not listen.
        """
        await asyncio.to_thread(self._tell, word, fds)

    def _tell(self, word: Message | Callable[[], Message], fds: Sequence[int]) -> None:
        self._passage.send(encode(word() if callable(word) else word), fds)

    async def hear(self, *kinds: type[M]) -> tuple[M, list[int]]:
        """The other's next word, of one of these kinds, and its descriptors.

        Raises:
            PassingError: the other says nothing.
            HandoverError: it says something else, or that it has failed.
        """
        message, fds = await asyncio.to_thread(self._hear)
        if not isinstance(message, kinds):
            close_all(fds)
            if isinstance(message, Failed):
                raise HandoverError(message.reason)
            raise HandoverError(f"the other process says {type(message).__name__} out of turn")
        return message, fds

    def _hear(self) -> tuple[Message, list[int]]:
        body, fds = self._passage.receive()
        try:
            return decode(body), fds
        except HandoverError:
            close_all(fds)
            raise

    def end(self) -> None:
        """Say and hear nothing more; what waits in a thread ends."""
        self._passage.abort()
        self._passage.close()
