"""Words of others on power: what they are, who takes them, and why one is refused.

Readings of meters are in state.py. Times in Unix seconds.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from poolserver.power.state import MeterReading, MeterState


class SignalError(ValueError):
    """A word that is not taken. The text completes "refused: ..."."""


class UnknownSignalError(SignalError):
    """It is about something that is not there."""


class OutdatedSignalError(SignalError):
    """A newer one has been taken."""


@dataclass(frozen=True, slots=True)
class BudgetSignal:
    """What a node may draw, by one who has a say.

    ``limit_w`` None takes an earlier word back: this source does not limit the node any more.
    """

    node: str
    limit_w: float | None
    source: str
    """In whose name: a declared source, or whoever spoke."""
    at_s: float
    """When it was said, by the clock of who said it: of two words the later one holds."""
    valid_until_s: float | None = None
    """None: until the next one, and of a declared source at most for its ``max_age_s``."""
    reason: str = ""
    issued_by: str = ""
    """By which way it came, or by whom: ``mqtt``, ``token:NAME``. It is kept with it."""
    of_mining: bool = False
    """Whether it limits mining alone, and not all load."""

    @property
    def key(self) -> tuple[str, str, bool]:
        """Whose word it is, on what: the next one of this key takes its place."""
        return self.source, self.node, self.of_mining


class AiLoadSignal(NamedTuple):
    """What an AI load draws, or is about to."""

    site: str
    name: str
    power_w: float
    at_s: float
    valid_until_s: float
    source: str = ""


class SignalSink(Protocol):
    """Who takes what comes in. Called on the event loop; it does not block."""

    def take_reading(self, reading: MeterReading) -> MeterState:
        """A meter's reading, judged.

        Raises:
            UnknownSignalError: there is no such meter.
        """

    def take_fault(self, meter: str, reason: str) -> None:
        """A meter that is known cannot be read."""

    def take_ai_load(self, signal: AiLoadSignal) -> None:
        """Raises:
        SignalError: it is refused.
        """

    def take_budget(self, signal: BudgetSignal) -> None:
        """Raises:
        SignalError: it is refused.
        """

    def accept_calibration(self, node: str) -> None:
        """An operator says that what a node's meter shows now is right: it teaches anew.

        Raises:
            UnknownSignalError: no meter has taught anything there.
        """
