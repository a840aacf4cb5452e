"""Bytes to lines."""

from .errors import LineTooLong

_CR = ord("\r")
_NOTHING = b""


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
        # Whole lines, the next one last; None stands for one that was too long. There are none
        # between two turns, and then no list: of 15,000 connections an empty deque is 11 MB.
        self._lines: list[bytes | None] | None = None
        self._tail: bytes | bytearray = _NOTHING  # the line that has not ended yet
        self._discarding = False  # the line that has not ended yet is known to be too long

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and (self._tail or self._discarding):
            lines[0] = self._end_tail(lines[0])
        if lines:
            limit = self._limit
            found: list[bytes | None] = [
                None if len(line) > limit else line[:-1] if line[-1] == _CR else line
                for line in reversed(lines)
                if line and line != b"\r"
            ]
            if self._lines:
                found += self._lines
            self._lines = found
        if rest:
            self._extend_tail(rest)

    def next_line(self) -> bytes | None:
        """The next whole line without its end, or None while there is none.

        Raises:
            LineTooLong: in place of a line that was over the limit; the next call goes on after it.
        """
        if not self._lines:
            self._lines = None
            return None
        line = self._lines.pop()
        if line is None:
            raise LineTooLong(f"a line is longer than {self._limit} bytes")
        return line

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
            self._lines = [None, *(self._lines or ())]
            self._tail = _NOTHING
            self._discarding = True
        elif self._tail:
            self._tail += piece
        else:
            self._tail = bytearray(piece)
