"""The garbage collector comes back as it was."""

import gc
from contextlib import suppress

import pytest

from poolserver.handover.collector import without_collector


@pytest.mark.parametrize("was_enabled", [True, False])
def test_it_is_off_meanwhile_whatever_happens(was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    try:
        with suppress(ZeroDivisionError), without_collector():
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
