"""A sink for signals: the books of a pool, and nothing else."""

from collections.abc import Callable, Iterable

from poolserver.power.ai_loads import AiLoadBook
from poolserver.power.budget import BudgetBook
from poolserver.power.readings import MeterBook, MeterSpec
from poolserver.power.signal import AiLoadSignal, BudgetSignal, UnknownSignalError
from poolserver.power.state import MeterReading, MeterState
from poolserver.power.tree import PowerTree


class BookSink:
    """Each word to its book. ``clock`` is Unix time."""

    def __init__(
        self, tree: PowerTree, specs: Iterable[MeterSpec], clock: Callable[[], float]
    ) -> None:
        self.clock = clock
        self.meters = MeterBook(specs)
        self.ai_loads = AiLoadBook(tree, self.meter)
        self.budgets = BudgetBook(tree)
        self.accepted: list[str] = []

    def meter(self, name: str) -> MeterState:
        return self.meters.state(name, self.clock())

    def take_reading(self, reading: MeterReading) -> MeterState:
        if reading.meter not in self.meters:
            raise UnknownSignalError(f"there is no meter {reading.meter}")
        return self.meters.take(reading, self.clock())

    def take_fault(self, meter: str, reason: str) -> None:
        self.meters.fault(meter, reason, self.clock())

    def take_ai_load(self, signal: AiLoadSignal) -> None:
        self.ai_loads.take(signal, self.clock())

    def take_budget(self, signal: BudgetSignal) -> None:
        self.budgets.take(signal, self.clock())

    def accept_calibration(self, node: str) -> None:
        self.accepted.append(node)
