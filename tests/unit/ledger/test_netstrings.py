import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.netstrings import netstring, netstrings


@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_texts_come_back_as_they_were(texts: list[str]) -> None:
    data = b"".join(netstring(text.encode()) for text in texts)
    assert list(netstrings(data)) == texts


@pytest.mark.parametrize("data", [b"3:ab,", b"2:abc,", b"02:ab,", b"x:ab,", b"ab", b"2:ab"])
def test_what_is_no_netstring_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"netstring|not found|invalid"):
        list(netstrings(data))
