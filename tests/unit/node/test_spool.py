"""What the disk holds of a found block, at each step."""

from pathlib import Path

import msgspec
import pytest

from poolserver.node.spool import FoundBlock, SettledBlock, Spool

FOUND = FoundBlock("ab" * 32, 101, "00" * 100, "demo.rig", 1_763_942_400.5)
OTHER = FoundBlock("cd" * 32, 102, "11" * 100, "demo.rig", 1_763_942_500.5)


def test_a_block_is_found_again_whole(tmp_path: Path) -> None:
    Spool(tmp_path / "spool").put(FOUND)
    assert list(Spool(tmp_path / "spool").unsettled()) == [FOUND]


def test_an_empty_spool_holds_nothing(tmp_path: Path) -> None:
    assert list(Spool(tmp_path / "not-there-yet").unsettled()) == []


def test_a_settled_block_is_kept_with_the_word_on_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(FOUND)
    spool.put(OTHER)
    spool.settle(FOUND, "rejected", "bad-cb-amount")
    assert list(spool.unsettled()) == [OTHER]
    kept = (tmp_path / "settled" / f"{FOUND.hash_hex}.json").read_bytes()
    assert msgspec.json.decode(kept, type=SettledBlock) == SettledBlock(
        "rejected", "bad-cb-amount", FOUND
    )


def test_a_block_that_could_not_be_spooled_is_still_kept_when_settled(tmp_path: Path) -> None:
    Spool(tmp_path / "spool").settle(FOUND, "accepted", "")
    assert (tmp_path / "spool" / "settled" / f"{FOUND.hash_hex}.json").exists()


@pytest.mark.parametrize("content", [b"", b'{"hash_hex":"ab', b"\xff\xfe", b"{}", b"[" * 5000])
def test_a_torn_or_foreign_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    strange = tmp_path / "strange.json"
    strange.write_bytes(content)
    spool = Spool(tmp_path)
    spool.put(FOUND)
    assert list(spool.unsettled()) == [FOUND]
    assert strange.read_bytes() == content


def test_a_write_that_was_cut_off_leaves_no_block(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(FOUND)
    whole = (tmp_path / f"{FOUND.hash_hex}.json").read_bytes()
    (tmp_path / f"{OTHER.hash_hex}.part").write_bytes(whole[:50])
    assert list(spool.unsettled()) == [FOUND]


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Spool(tmp_path / "file" / "spool").put(FOUND)
