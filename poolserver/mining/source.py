"""Where jobs come from."""

from collections.abc import Callable
from typing import Protocol

from poolserver.mining.template import BlockTemplate


class JobSource(Protocol):
    """A source of block templates. A group of nodes is the first.

    A planned second is an upstream Stratum pool (the client side of asyncio_stratum). It has
    no transactions to hand on and its blocks go back the way they came, so it will hand down
    work with the coinbase's halves given and an extranonce space of its own; what stays the
    same is this: a source runs for ever, publishes work, and says when work is still good.
    """

    async def run(
        self,
        on_template: Callable[[BlockTemplate, float], None],
        on_confirmed: Callable[[float], None],
        on_outdated: Callable[[float], None],
    ) -> None:
        """Run until cancelled; errors are the source's own business and never end it.

        ``on_template(template, received_at)`` is called for each new template,
        ``on_confirmed(received_at)`` whenever the last one was found to be still good, and
        ``on_outdated(at)`` once it is known not to be and there is nothing better: what is
        called next is one of the other two, when there is. Times are monotonic, in seconds.
        """
