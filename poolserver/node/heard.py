"""What one node has told so far: its newest template, and the signs of its tip. Pure.

Times are monotonic, in seconds, and arguments. ``template_source`` asks the node and listens to it.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.mining.template import BlockTemplate


class Answer(Enum):
    """What a template that a node has answered with is."""

    NEW = "new"
    SAME = "same"
    DOUBTFUL = "doubtful"


class LatestTemplate:
    """The node's newest template, found out from answers that may cross each other.

    An answer tells the node's tip at some time between question and answer. So an answer to a
    question put after the last change of tip is the truth, and a reorganisation is followed
    wherever it leads. One to an older question may be of the tip before: a higher tip is news
    all the same, any other is doubtful, and the node must be asked again.

    A stopgap is such an answer too, to the question for the tip's header. Only it never takes
    the place of a template on its own tip, and any that comes for its tip is news.
    """

    def __init__(self) -> None:
        self.template: BlockTemplate | None = None
        self.came_at = 0.0
        """When ``template`` came, monotonic seconds."""
        self.tips = 0
        """Changes of tip so far: note it with a question, give it back with the answer."""

    def is_on(self, tip_hex: str) -> bool:
        """Whether the held template is on this tip."""
        return self.template is not None and hash_le_to_hex(self.template.prevhash_le) == tip_hex

    @property
    def is_stopgap(self) -> bool:
        """Whether the held template is a stopgap."""
        return self.template is not None and self.template.stopgap

    def judge(self, answer: BlockTemplate, tips_when_asked: int, now: float) -> Answer:
        """Say what ``answer`` is, and hold it unless it is doubtful, or a stopgap not needed."""
        held = self.template
        if held is not None and answer.prevhash_le == held.prevhash_le:
            if answer.stopgap:
                return Answer.SAME
            self._hold(answer, now)
            is_same = _work(answer) == _work(held) and not held.stopgap
            return Answer.SAME if is_same else Answer.NEW
        if held is not None and tips_when_asked != self.tips and answer.height <= held.height:
            return Answer.DOUBTFUL
        self._hold(answer, now)
        self.tips += 1
        return Answer.NEW

    def _hold(self, template: BlockTemplate, now: float) -> None:
        self.template, self.came_at = template, now


def _work(template: BlockTemplate) -> tuple[object, ...]:
    """All that makes a header; the transactions are in it by branch and commitment."""
    return (
        template.version,
        template.nbits,
        template.mintime,
        template.coinbase_value_sat,
        template.merkle_branch,
        template.witness_commitment,
    )


@dataclass(slots=True)
class Signs:
    """What a source has noticed of its node; times are monotonic, in seconds."""

    tip_hex: str = ""
    """Its tip, as last heard of or as told by a template."""
    tip_at: float = -inf
    """Since when that is the tip."""
    answered_at: float = -inf
    """When a template last came, new or not; a stopgap's header is an answer too."""
    failing: bool = False
    """Whether the last attempt to get one from the node failed."""
    told_hex: str = ""
    """The last block that it told of in any way, be it by a template that is not looked at yet."""
    told_at: float = -inf
    """When it first did."""

    def tip_is(self, tip_hex: str, now: float) -> None:
        """The node's tip is this one."""
        self.told(tip_hex, now)
        if tip_hex != self.tip_hex:
            self.tip_hex, self.tip_at = tip_hex, now

    def told(self, tip_hex: str, now: float) -> None:
        """The node knows of this block."""
        if tip_hex != self.told_hex:
            self.told_hex, self.told_at = tip_hex, now
