"""A pool with the probe in it, and what the probe tells."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.stage.pool import RunningPool, running_pool

PROBE = ("bench.stage.probe",)


@dataclass(frozen=True)
class Probed:
    """See ``bench.stage.probe``."""

    pool: RunningPool
    path: Path

    def begin(self) -> None:
        os.kill(self.pool.pid, signal.SIGRTMIN)

    def end(self) -> None:
        os.kill(self.pool.pid, signal.SIGRTMIN + 1)
        while not self.path.exists():
            time.sleep(0.02)

    def take(self) -> dict[str, Any]:
        """What was seen between the two."""
        found: dict[str, Any] = json.loads(self.path.read_text())
        self.path.unlink()
        return found


@contextmanager
def probed_pool(**options: Any) -> Iterator[tuple[RunningPool, Probed]]:
    """A pool with a probe in it; ``options`` are of ``running_pool``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.json"
        environment = {"POOL_PROBE": str(path), **options.pop("environment", {})}
        with running_pool(module=PROBE, environment=environment, **options) as pool:
            yield pool, Probed(pool, path)
