"""What there is to pay by, in memory: the window of work, the debts, and how lucky the pool was.

All of it follows from the store and what was folded since. See ``reward_sql`` for the store's
side and ``keeper`` for who keeps it.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

from poolserver.ledger import reward_sql
from poolserver.ledger.database import Connection
from poolserver.ledger.debts import Debts
from poolserver.ledger.delta import Delta
from poolserver.ledger.luck import Luck
from poolserver.ledger.reward_sql import OlderWork
from poolserver.ledger.window import RewardWindow
from poolserver.mining.payout import Payee, PayoutPlan

MOST_OF_A_BLOCK_SAT = 10**11
"""A thousand coins: above any subsidy, with the highest fees there were."""


class PayoutTerms(NamedTuple):
    """Whom the operator wants to be paid."""

    operator: bytes
    """The operator's scriptPubKey."""
    fee_basis_points: int
    script_of: Callable[[str], bytes | None]
    """The scriptPubKey of a label: an account, or the name of a share; None: there is none."""
    shares: Mapping[str, int] = {}
    """The weights of fixed shares."""
    window_times: Fraction | None = None
    """The window's length, in network difficulties; None: work does not count."""

    @property
    def has_payees(self) -> bool:
        """Whether anybody but the operator is ever paid."""
        return bool(self.shares) or self.window_times is not None

    def plan(self, weights: Mapping[str, int], owed_sat: Mapping[str, int]) -> PayoutPlan:
        """The plan of these debts, and of these weights where there are no shares.

        A label that has no script is paid nothing. Payees are in the order of the shares, and
        else of their labels, so that the same books make the same plan.
        """
        if not self.has_payees:
            return PayoutPlan(self.operator)
        if self.window_times is None:
            weights = self.shares
        # Whoever is due less than a satoshi of any block only makes the plan long; anybody may
        # make up such accounts by the thousand.
        least = sum(weights.values()) // MOST_OF_A_BLOCK_SAT
        weights = {label: weight for label, weight in weights.items() if weight > least}
        payees = []
        for label in [
            *self.shares,
            *sorted((weights.keys() | owed_sat.keys()) - self.shares.keys()),
        ]:
            weight, owed = weights.get(label, 0), owed_sat.get(label, 0)
            script = self.script_of(label) if weight or owed > 0 else None
            if script is not None:
                payees.append(Payee(label, script, weight, owed))
        return PayoutPlan(self.operator, self.fee_basis_points, tuple(payees))

    def new_window(self) -> RewardWindow | None:
        """An empty window; None where work does not count."""
        if self.window_times is None:
            return None
        return RewardWindow(self.window_times, lambda account: self.script_of(account) is not None)


class Rewards:
    """All three, brought up to date by deltas."""

    def __init__(self, window: RewardWindow | None = None) -> None:
        self.window = window
        self.debts = Debts()
        self.luck = Luck()

    def load(self, connection: Connection) -> None:
        """Begin with what the store has; the window as far as the last difficulty needs it."""
        self.debts.load(*reward_sql.debts(connection))
        self.luck.earned = reward_sql.earned(connection)
        self.luck.rounds, self.luck.open = reward_sql.rounds(connection)
        window = self.window
        if window is not None:
            window.begin_loading()
            older = read_window(window, reward_sql.last_network_work(connection))(connection)
            window.end_loading(older.intervals, is_whole=older.is_whole)

    def take(self, delta: Delta) -> None:
        """Add what was folded; of blocks the keeper tells ``debts`` by itself."""
        self.luck.add(delta)
        if self.window is not None:
            self.window.add(delta.earnings)


def read_window(window: RewardWindow, network_work: int) -> Callable[[Connection], OlderWork]:
    """The reading of what a window lacks at this difficulty, for the store's thread."""
    before_s, missing, is_paid = window.floor_s, window.missing_work(network_work), window.is_paid
    return lambda connection: reward_sql.work_before(connection, before_s, missing, is_paid)
