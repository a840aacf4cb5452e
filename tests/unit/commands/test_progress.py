"""Bars are for people who look on: on a terminal, on standard error, and nowhere else."""

import io
import sys

import pytest

from poolserver.commands.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nobody_who_looks_nothing_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar("rows") as progress:
        assert progress is None
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar("rows", quiet=True) as progress:
        assert progress is None


def test_a_terminal_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress_bar("rows") as progress:
        assert progress is not None
        for done in range(1, 101):
            progress(done, 100)
    assert "rows" in shown.getvalue()
    assert "100/100" in shown.getvalue()


def test_how_much_there_is_may_not_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("rows") as progress:
        assert progress is not None
        progress(1000, 0)
    assert "1000/?" in shown.getvalue()
