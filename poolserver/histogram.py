"""How often something took how long: a few counts, for Prometheus. Bounds for what is usual."""

from poolserver._native import Histogram

__all__ = ["CALL_S", "DISK_S", "QUICK_S", "Histogram"]

# Of what should take a fraction of a millisecond, and may take a second when all goes wrong.
QUICK_S = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5)
# Of what waits for a disk, or for all rigs, or for a turn.
DISK_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
# Of calls: from one that finds its answer ready to one that a node has to work for.
CALL_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)
