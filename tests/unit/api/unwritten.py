"""A record that keeps nothing."""

from poolserver.api.endpoint import Call, Endpoint


class Unwritten:
    """An ``api.router.Record``."""

    async def intend(self, endpoint: Endpoint, call: Call, path: str) -> int:
        return 0

    async def ended(self, number: int, outcome: str) -> None:
        pass

    async def refused(self, endpoint: Endpoint, call: Call, path: str, outcome: str) -> None:
        pass
