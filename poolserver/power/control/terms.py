"""How the controller behaves. Times in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Terms:
    """The defaults are for rigs that take a minute to start and meters read every few seconds."""

    dead_band: float = 0.01
    """Of a limit: rigs are switched off down to so much below it, and on up to there."""
    ramp: float = 0.01
    """Of a site's limit: so much is switched on in a tick at the most."""
    reserve: float = 0.0
    """Of a limit: kept free always. For operators whose rigs' ratings are all there is."""
    noise_sigmas: float = 2.0
    """A figure that is over its limit by less than so much of its own chance is not acted on;
    it is told. Of a meter's this is far below the dead band and changes nothing."""
    min_on_s: float = 300.0
    min_off_s: float = 300.0
    stale_s: float = 60.0
    """A meter without a good reading for so long is not relied on: nothing rises below it."""
    failsafe_after_s: float = 300.0
    """After so long without one the failsafe limit of its node holds."""
    failsafe_w: Mapping[str, int] = field(default_factory=dict)
    """By path. Where there is none, nothing rises and that is all."""
    settle_s: float = 75.0
    """A command that was not seen in what is drawn by then will not be: a meter is read every
    few seconds, an estimate by shares is over a minute."""
    verify_s: float = 60.0
    """Rigs that go on hashing for so long are told again. One rig's silence is certain to
    99.9 % after 35 s at 12 shares a minute."""
    attempts: int = 3
    start_s: float = 900.0
    """A rig that does not hash so long after it was told to start will not."""
    failed_s: float = 3600.0
    """Rigs that failed are tried again after so long."""
    counts_lag_s: float = 300.0
    """The number of rigs that hash may be behind by so much: silence has to be waited for."""
    cold_start: float = 1.1
    """What a rig that starts is counted at, over what it drew: fans at full speed, tuning."""
    spread_s: float = 5.0
    """Rigs of one command start within so long, each at another moment."""
