"""How good the work still is that rigs have: what is known of the node's template, and since when.

Pure. ``now`` is monotonic seconds.
"""

from math import inf

import msgspec

from poolserver.mining.template import BlockTemplate


class FreshnessState(msgspec.Struct, frozen=True):
    """What is known but for the template itself, for a process that takes the rigs over."""

    sent_at: float
    fresh_at: float
    template_at: float
    outdated_at: float | None
    stopgap_since: float | None
    stopgap_seconds: float


class Freshness:
    """Of one worker process's work."""

    def __init__(self, max_age_s: float, grace_s: float) -> None:
        """Work is good for ``max_age_s`` without a word of the node, and lost ``grace_s`` later."""
        self._max_age_s = max_age_s
        self._grace_s = grace_s
        self.latest: BlockTemplate | None = None
        self._sent_at = self._fresh_at = self._template_at = -inf
        self._outdated_at: float | None = None
        self._stopgap_since: float | None = None
        self._stopgap_seconds = 0.0

    def state(self) -> FreshnessState:
        """All but the template."""
        return FreshnessState(
            self._sent_at,
            self._fresh_at,
            self._template_at,
            self._outdated_at,
            self._stopgap_since,
            self._stopgap_seconds,
        )

    def restore(self, latest: BlockTemplate | None, state: FreshnessState) -> None:
        """Go on where another process left off."""
        self.latest = latest
        self._sent_at, self._fresh_at = state.sent_at, state.fresh_at
        self._template_at, self._outdated_at = state.template_at, state.outdated_at
        self._stopgap_since, self._stopgap_seconds = state.stopgap_since, state.stopgap_seconds

    # --- what comes of the node ----------------------------------------------------------

    def on_template(
        self, template: BlockTemplate, now: float, age_s: float = 0.0, unconfirmed_s: float = 0.0
    ) -> bool:
        """Whether it goes out at once: a new tip, a stopgap, or what follows one.

        It was made ``age_s`` ago, and a node has last confirmed it ``unconfirmed_s`` ago.
        """
        self._template_at, self._fresh_at = now - age_s, now - unconfirmed_s
        self._outdated_at = None
        before, self.latest = self.latest, template
        if self._stopgap_since is not None:
            self._stopgap_seconds += now - self._stopgap_since
        self._stopgap_since = now if template.stopgap else None
        return (
            before is None
            or template.prevhash_le != before.prevhash_le
            or template.stopgap
            or before.stopgap
        )

    def confirmed(self, now: float) -> None:
        """The last template is still the node's."""
        self._fresh_at, self._outdated_at = now, None

    def outdated(self, now: float) -> None:
        """A newer tip is known."""
        self._outdated_at = now

    def sent(self, now: float) -> None:
        """A job of the last template went out to all."""
        self._sent_at = now

    # --- what follows --------------------------------------------------------------------

    def age_s(self, now: float) -> float:
        """Since when nothing was heard of the node."""
        return now - self._fresh_at

    def sent_before_s(self, now: float) -> float:
        """Since when the last job is out."""
        return now - self._sent_at

    def may_be_good(self, now: float) -> bool:
        """Nothing newer than the last template is known, and it is not too old."""
        return self._outdated_at is None and self.age_s(now) <= self._max_age_s

    def is_lost(self, now: float) -> bool:
        """Whether it has not been good for so long that nothing is waited for any more."""
        if self.latest is None:
            return False
        no_good_since = self._fresh_at + self._max_age_s
        if self._outdated_at is not None:
            no_good_since = min(no_good_since, self._outdated_at)
        return now - no_good_since > self._grace_s

    def unix_time(self, now: float) -> int | None:
        """The node's clock, in Unix seconds; None before there is a template."""
        if self.latest is None:
            return None
        return self.latest.curtime + int(now - self._template_at)

    def stopgap_seconds(self, now: float) -> float:
        """How long in all there was only a job without transactions."""
        since = self._stopgap_since
        return self._stopgap_seconds + (now - since if since is not None else 0.0)
