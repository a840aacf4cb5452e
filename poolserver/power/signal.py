"""Words of others on power: what they are, who takes them, and why one is refused.

Readings of meters are in state.py. Times in Unix seconds.
"""

from typing import NamedTuple, Protocol

from poolserver.power.state import MeterReading, MeterState


class SignalError(ValueError):
    """A word that is not taken. The text completes "refused: ..."."""


class UnknownSignalError(SignalError):
    """It is about something that is not there."""


class OutdatedSignalError(SignalError):
    """A newer one has been taken."""


class BudgetSignal(NamedTuple):
    """What a node may draw, by one who has a say."""

    node: str
    limit_w: int | None
    """None: the source takes its word back."""
    source: str
    """In whose name: a declared source, or whoever spoke."""
    at_s: float
    valid_until_s: float | None = None
    reason: str = ""
    issued_by: str = ""
    """By which way it came: ``mqtt``, ``token:NAME``."""


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
