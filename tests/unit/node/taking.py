"""Nodes of our own interface that take blocks, and answer as they are told."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from poolserver.node.spool import FoundBlock

FOUND = FoundBlock("ab" * 32, 101, "00" * 100, "demo.rig", 1_763_942_400.0)


class FakeNode:
    """Answers submitblock with one answer after the other; an exception is raised."""

    url = "fake"

    def __init__(
        self,
        *answers: str | Exception | None,
        confirmations: int = 1,
        best: str = "ff" * 32,
        is_swayed: bool = False,
        headers: Sequence[Exception] = (),
    ) -> None:
        """``is_swayed``: preciousblock makes the block its tip, which is ``best`` so far.

        ``headers`` are raised by the first questions for a header.
        """
        self._headers = list(headers)
        self._is_submitted = asyncio.Condition()
        self._answers = list(answers)
        self._confirmations = confirmations
        self._best = best
        self._is_swayed = is_swayed
        self.submitted: list[str] = []
        self.timeouts_s: list[float | None] = []
        self.preferred: list[str] = []

    async def call(
        self, method: str, *params: Any, type: Any = Any, timeout_s: float | None = 1.0
    ) -> Any:
        if method == "getblockheader":
            if self._headers:
                raise self._headers.pop(0)
            return type(confirmations=self._confirmations)
        if method == "getbestblockhash":
            return self._best
        if method == "preciousblock":
            self.preferred.append(params[0])
            self._confirmations = 1 if self._is_swayed else self._confirmations
            return None
        self.submitted.append(msgspec.json.decode(params[0]))
        self.timeouts_s.append(timeout_s)
        async with self._is_submitted:
            self._is_submitted.notify_all()
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def is_submitted(self, times: int) -> None:
        """Wait until a block has been submitted so often."""
        async with self._is_submitted:
            await self._is_submitted.wait_for(lambda: len(self.submitted) >= times)

    async def close(self) -> None: ...


class SilentNode(FakeNode):
    """Takes a block and does not answer."""

    async def call(
        self, method: str, *params: Any, type: Any = Any, timeout_s: float | None = 1.0
    ) -> Any:
        self.submitted.append(msgspec.json.decode(params[0]))
        await asyncio.Event().wait()
