"""Commands under way: what has become of each batch, by what is reported of its rigs.

An acknowledgement proves nothing: there are miners that answer true and run on. A batch is off when
all of its rigs are silent. Those that are not are told again by stronger means, and in the end
given up: they draw, and others are switched off in their place.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from poolserver.power.control.decision import Action, Batch, BatchReport, Command
from poolserver.power.control.states import DeviceEvent, DeviceState, moved
from poolserver.power.control.terms import Terms
from poolserver.power.rating import Rating


@dataclass(slots=True)
class BatchBook:
    """The batches of a tick, as they change in it."""

    terms: Terms
    now_s: float
    next_number: int
    is_dry: Callable[[str], bool]
    """Whether no commands are given at a node."""
    batches: dict[int, Batch] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)

    def advance(self, before: Iterable[Batch], reports: Mapping[int, BatchReport]) -> None:
        """Take the batches of the tick before, each as far as it is by now."""
        for batch in before:
            report = reports.get(batch.number, BatchReport(batch.number))
            if report.rigs is not None and report.rigs < batch.rigs:
                if report.rigs <= 0:
                    continue
                batch = batch._replace(rigs=report.rigs)
            match batch.state:
                case DeviceState.PENDING_OFF | DeviceState.VERIFYING:
                    self._going_off(batch, report)
                case DeviceState.OFF:
                    self._off(batch, report)
                case DeviceState.PENDING_ON:
                    self._coming_on(batch, report)
                case DeviceState.ON:
                    self._until(batch, self.terms.min_on_s)
                case DeviceState.FAILED:
                    self._until(batch, self.terms.failed_s)
                case DeviceState.PROTECTED:
                    self._keep(batch)

    def shed(
        self, node: str, rating: Rating, rigs: int, rig_w: float, young: Batch | None = None
    ) -> None:
        """So many rigs are told to stop: of ``young``, or of those in no batch."""
        state = moved(DeviceState.ON, DeviceEvent.SHED)
        number, now_s = self._number(), self.now_s
        off = Batch(number, node, rating, rigs, rig_w, state, now_s, now_s)
        if young is not None:
            self._take_from(young, rigs)
        self._keep(off)
        self._command(Action.OFF, off, rigs, 0 if young is None else young.number)

    def restore(self, batch: Batch, rigs: int) -> None:
        """So many rigs of a batch that is off are told to start."""
        on = self._move(batch, DeviceEvent.RESTORE)._replace(
            number=self._number(), rigs=rigs, issued_s=self.now_s, attempts=1
        )
        self._take_from(batch, rigs)
        self._keep(on)
        self._command(Action.ON, on, rigs, batch.number, self.terms.spread_s)

    def _going_off(self, batch: Batch, report: BatchReport) -> None:
        silent = min(report.silent, batch.rigs)
        waited = self._waited(batch, self.terms.verify_s)
        if silent == batch.rigs:
            self._keep(self._move(batch, DeviceEvent.SILENT))
        elif waited and batch.attempts < self.terms.attempts:
            again = self._move(batch, DeviceEvent.UNHEARD)._replace(attempts=batch.attempts + 1)
            self._keep(again)
            self._command(Action.OFF_AGAIN, again, batch.rigs - silent)
        elif waited:
            self._give_up(batch, batch.rigs - silent, DeviceEvent.SILENT)
        elif batch.state is DeviceState.PENDING_OFF and report.acknowledged >= batch.rigs:
            moved_on = moved(batch.state, DeviceEvent.ACKNOWLEDGED)
            self._keep(batch._replace(state=moved_on))  # the time to verify runs already
        else:
            self._keep(batch)

    def _off(self, batch: Batch, report: BatchReport) -> None:
        back = min(report.hashing, batch.rigs)
        if back:
            self._command(Action.RELEASE, batch, back)
            batch = batch._replace(rigs=batch.rigs - back)
        if batch.rigs:
            self._keep(batch)

    def _coming_on(self, batch: Batch, report: BatchReport) -> None:
        hashing = min(report.hashing, batch.rigs)
        if hashing == batch.rigs:
            self._keep(self._move(batch, DeviceEvent.HASHING))
        elif self._waited(batch, self.terms.start_s):
            self._give_up(batch, batch.rigs - hashing, DeviceEvent.HASHING)
        else:
            self._keep(batch)

    def _waited(self, batch: Batch, length_s: float) -> bool:
        return self.now_s - batch.since_s >= length_s and not self.is_dry(batch.node)

    def _until(self, batch: Batch, length_s: float) -> None:
        if self.now_s - batch.since_s < length_s:
            self._keep(batch)
        else:
            self._command(Action.RELEASE, batch, batch.rigs)

    def _give_up(self, batch: Batch, rigs: int, rest: DeviceEvent) -> None:
        failed = self._move(batch, DeviceEvent.GIVEN_UP)._replace(number=self._number(), rigs=rigs)
        if rigs < batch.rigs:
            self._keep(self._move(batch, rest)._replace(rigs=batch.rigs - rigs))
        self._keep(failed)
        self._command(Action.GIVE_UP, failed, rigs, batch.number)

    def _move(self, batch: Batch, event: DeviceEvent) -> Batch:
        return batch._replace(state=moved(batch.state, event), since_s=self.now_s)

    def _take_from(self, batch: Batch, rigs: int) -> None:
        left = self.batches[batch.number]
        if rigs == left.rigs:
            del self.batches[batch.number]
        else:
            self._keep(left._replace(rigs=left.rigs - rigs))

    def _keep(self, batch: Batch) -> None:
        self.batches[batch.number] = batch

    def _number(self) -> int:
        self.next_number += 1
        return self.next_number - 1

    def _command(
        self, action: Action, batch: Batch, rigs: int, taken_from: int = 0, spread_s: float = 0.0
    ) -> None:
        power_w = rigs * batch.rig_w
        if action is Action.ON:
            power_w *= self.terms.cold_start
        self.commands.append(
            Command(
                action,
                batch.number,
                batch.node,
                batch.rating,
                rigs,
                power_w,
                taken_from,
                batch.attempts,
                spread_s,
            )
        )
