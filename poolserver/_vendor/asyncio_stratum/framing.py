"""Bytes to lines."""

from .errors import LineTooLong

_CR = ord("\r")
_NOTHING = b""
_TOO_LONG = b"\n"  # stands for a line that was; none has this byte in it


class LineBuffer:
    r"""Cuts a byte stream into lines that end with LF; CRLF is taken too, empty lines are skipped.

    A line over ``limit`` bytes is reported once, at its place among the others, and the rest of it
    is thrown away as it comes in, so that the stream stays usable and memory bounded.
    Each byte is looked at once, however small the pieces are in which it comes.

    >>> lines = LineBuffer()
    >>> lines.feed(b'{"id":1}\r\n{"id"')
    >>> lines.next_line(), lines.next_line()
    (b'{"id":1}', None)
    """

    __slots__ = ("_discarding", "_limit", "_lines", "_tail")

    def __init__(self, limit: int = 16 * 1024) -> None:
        self._limit = limit
        # Whole lines, the next one last. There are none between two turns, and then no list: the
        # empty deques of 15,000 connections are 11 MB.
        self._lines: list[bytes] | None = None
        self._tail: bytes | bytearray = _NOTHING  # the line that has not ended yet
        self._discarding = False  # the line that has not ended yet is known to be too long

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines:
            if self._tail or self._discarding:
                lines[0] = self._end_tail(lines[0])
            lines.reverse()
            self._lines = lines + self._lines if self._lines else lines
        if rest:
            self._extend_tail(rest)

    def next_line(self) -> bytes | None:
        """The next whole line without its end, or None while there is none.

        Raises:
            LineTooLong: in place of a line that was over the limit; the next call goes on after it.
        """
        while self._lines:
            line = self._lines.pop()
            if len(line) > self._limit or line is _TOO_LONG:
                raise LineTooLong(f"a line is longer than {self._limit} bytes")
            if line and line[-1] == _CR:
                line = line[:-1]
            if line:
                return line
        self._lines = None
        return None

    def rest(self) -> tuple[bytes, bool]:
        """What was fed and not taken yet, and whether it is the end of a line that is too long."""
        lines = reversed(self._lines or ())
        whole = b"".join(line + b"\n" for line in lines if line is not _TOO_LONG)
        return whole + self._tail, self._discarding

    def restore(self, rest: bytes, *, discarding: bool) -> None:
        """Go on, in a new buffer, where another left off."""
        self.feed(rest)
        self._discarding = discarding

    @property
    def is_within_line(self) -> bool:
        """Whether a line was begun that has not ended yet."""
        return bool(self._tail) or self._discarding

    def _end_tail(self, end: bytes) -> bytes:
        if self._discarding:
            self._discarding = False
            return b""  # reported when it passed the limit
        line = bytes(self._tail) + end
        self._tail = _NOTHING
        return line

    def _extend_tail(self, piece: bytes) -> None:
        if self._discarding:
            return
        if len(self._tail) + len(piece) > self._limit:
            self._lines = [_TOO_LONG, *(self._lines or ())]
            self._tail = _NOTHING
            self._discarding = True
        elif self._tail:
            self._tail += piece
        else:
            self._tail = bytearray(piece)
