"""What the disk holds of a found block, at each step."""

import os
from pathlib import Path

import msgspec
import pytest

from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Distribution, Due
from poolserver.node import spool as spool_module
from poolserver.node.spool import FoundBlock, SettledBlock, Spool, quoted, spool_entry

FOUND = FoundBlock("ab" * 32, 101, "00" * 100, "demo.rig", 1_763_942_400.5)
OTHER = FoundBlock("cd" * 32, 102, "11" * 100, "demo.rig", 1_763_942_500.5)


def entry(found: FoundBlock) -> tuple[str, bytes]:
    return found.hash_hex, spool_entry(found, quoted(found.block_hex))


def left(spool: Spool) -> list[FoundBlock]:
    return [found for found, _ in spool.unsettled()]


def test_a_block_is_found_again_whole(tmp_path: Path) -> None:
    Spool(tmp_path / "spool").put(*entry(FOUND))
    assert left(Spool(tmp_path / "spool")) == [FOUND]


def test_an_empty_spool_holds_nothing(tmp_path: Path) -> None:
    assert left(Spool(tmp_path / "not-there-yet")) == []


def test_a_settled_block_is_kept_with_the_word_on_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(*entry(FOUND))
    spool.put(*entry(OTHER))
    spool.settle(FOUND, "rejected", "bad-cb-amount")
    assert left(spool) == [OTHER]
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
    spool.put(*entry(FOUND))
    assert left(spool) == [FOUND]
    assert strange.read_bytes() == content


def test_a_write_that_was_cut_off_leaves_no_block(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(*entry(FOUND))
    whole = (tmp_path / f"{FOUND.hash_hex}.json").read_bytes()
    (tmp_path / f"{OTHER.hash_hex}.part").write_bytes(whole[:50])
    assert left(spool) == [FOUND]


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Spool(tmp_path / "file" / "spool").put(*entry(FOUND))


# --- in memory -------------------------------------------------------------------------------


def test_a_block_that_is_only_held_is_found_again_and_brought_to_the_disk(tmp_path: Path) -> None:
    disk, memory = tmp_path / "spool", tmp_path / "memory"
    Spool(disk, memory).hold(*entry(FOUND))
    assert not disk.exists()
    assert left(Spool(disk, memory)) == [FOUND]
    assert [path.name for path in disk.glob("*.json")] == [f"{FOUND.hash_hex}.json"]
    assert list(memory.iterdir()) == []


@pytest.mark.parametrize("end", ["put", "settle"])
def test_a_block_is_held_no_longer_than_it_must_be(tmp_path: Path, end: str) -> None:
    spool = Spool(tmp_path / "spool", tmp_path / "memory")
    spool.hold(*entry(FOUND))
    if end == "put":
        spool.put(*entry(FOUND))
    else:
        spool.settle(FOUND, "accepted", "")
    assert list((tmp_path / "memory").iterdir()) == []
    spool.leave()
    assert not (tmp_path / "memory").exists()


def test_a_folder_in_memory_that_others_may_use_is_not_used(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir(mode=0o755)
    memory.chmod(0o755)
    spool = Spool(tmp_path / "spool", memory)
    with pytest.raises(PermissionError, match="not this user's alone"):
        spool.hold(*entry(FOUND))
    (memory / f"{FOUND.hash_hex}.json").write_bytes(entry(FOUND)[1])
    assert left(spool) == []


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "memory").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="not this user's alone"):
        Spool(tmp_path / "spool", tmp_path / "memory").hold(*entry(FOUND))


def test_a_block_in_memory_is_taken_up_though_the_disk_is_full(
    tmp_path: Path,
) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    spool = Spool(tmp_path / "spool", tmp_path / "memory")
    spool.hold(*entry(FOUND))
    assert list(spool.unsettled()) == [(FOUND, False)]
    assert list((tmp_path / "memory").glob("*.json"))


def test_each_spool_has_a_folder_of_its_own_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = [spool_module.shared_memory_for(tmp_path / name / "spool") for name in ("a", "b")]
    assert one != other
    monkeypatch.setattr(spool_module, "SHARED_MEMORY", tmp_path / "not-there")
    assert spool_module.shared_memory_for(tmp_path) is None


def test_all_that_is_booked_of_a_block_is_kept_with_it(tmp_path: Path) -> None:
    paid = Distribution((TxOut(5, b"\x00\x14"),), (Due("north", 3, 3),), 2)
    found = FoundBlock("ef" * 32, 103, "22", "demo.rig", 0.0, "demo", paid)
    spool = Spool(tmp_path)
    spool.put(*entry(found))
    assert left(spool) == [found]


def test_a_file_of_a_version_that_noted_less_is_a_block_too(tmp_path: Path) -> None:
    (tmp_path / f"{FOUND.hash_hex}.json").write_text(
        f'{{"hash_hex":"{FOUND.hash_hex}","height":101,"block_hex":"{FOUND.block_hex}",'
        '"worker_name":"demo.rig","found_at_unix":1763942400.5}'
    )
    assert left(Spool(tmp_path)) == [FOUND]


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_a_write_that_fails_leaves_nothing_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    spool = Spool(tmp_path / "spool", tmp_path / "memory")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full_disk)
        with pytest.raises(OSError, match="full"):
            (spool.hold if where == "memory" else spool.put)(*entry(FOUND))
    assert not list(tmp_path.rglob("*.part"))


def full_disk(*_: object) -> None:
    raise OSError("full")


def test_what_a_dying_pool_had_half_written_goes(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir(mode=0o700)
    (tmp_path / "memory" / "ab.part").write_bytes(b"{")
    spool = Spool(tmp_path / "spool", tmp_path / "memory")
    assert left(spool) == []
    spool.leave()
    assert not (tmp_path / "memory").exists()


# --- evidence --------------------------------------------------------------------------------


def test_a_copy_in_memory_goes_only_when_the_evidence_is_safe(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    spool = Spool(tmp_path / "spool", tmp_path / "memory")
    spool.hold(*entry(FOUND))
    with pytest.raises(OSError, match="spool"):
        spool.settle(FOUND, "accepted", "")
    assert list(spool.unsettled()) == [(FOUND, False)]


def test_the_newest_accepted_blocks_are_told_and_no_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number, state in enumerate(["accepted", "accepted", "stale", "accepted"]):
        found = FoundBlock(f"{number:064x}", 101, "00", "demo.rig", 0.0)
        spool.settle(found, state, "")
        os.utime(tmp_path / "settled" / f"{found.hash_hex}.json", (number, number))
    told = [int(found.hash_hex, 16) for found in spool.accepted_since(1.0, most=10)]
    assert told == [3, 1]
    assert [int(found.hash_hex, 16) for found in spool.accepted_since(0.0, most=1)] == [3]
    assert len(spool.settled_hashes()) == 4


def test_a_folder_in_memory_is_named_after_the_data_folder_and_not_its_path(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    before = spool_module.shared_memory_for(tmp_path / "data" / "spool")
    (tmp_path / "data").rename(tmp_path / "moved")
    assert spool_module.shared_memory_for(tmp_path / "moved" / "spool") == before
    assert spool_module.shared_memory_for(tmp_path / "data" / "spool") is None
