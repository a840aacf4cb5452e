import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.journal_files import JournalFile
from poolserver.ledger.retention import RetentionTerms, delete, expired, plan_pruning
from poolserver.ledger.segment import SegmentId, encode_header

EVER = RetentionTerms(1e9, 2**62)


def file(source: str, first: int, *, size: int = 10, written_s: float = 0.0) -> JournalFile:
    return JournalFile(Path(f"{source}-{first}"), source, first, 0, size, written_s)


LIFE = [file("a", 1), file("a", 5, written_s=10), file("a", 9, written_s=20)]


def test_what_is_old_goes_if_it_is_folded() -> None:
    terms = RetentionTerms(keep_s=15, keep_bytes=2**62)
    assert expired(LIFE, {"a": 100}, (), terms, now_s=20) == LIFE[:1]
    assert expired(LIFE, {"a": 100}, (), terms, now_s=30) == LIFE[:2]
    assert expired(LIFE, {"a": 4}, (), terms, now_s=30) == []


def test_the_last_file_of_a_source_goes_when_the_source_has_ended() -> None:
    terms = RetentionTerms(keep_s=15, keep_bytes=2**62)
    assert expired(LIFE, {"a": 100}, (), terms, now_s=1000) == LIFE[:2]
    assert expired(LIFE, {"a": 100}, {"a"}, terms, now_s=1000) == LIFE


def test_beyond_the_size_the_oldest_goes_first_whosever_it_is() -> None:
    files = [*LIFE, file("b", 1, written_s=5), file("b", 2, written_s=6)]
    terms = RetentionTerms(keep_s=1e9, keep_bytes=25)
    assert expired(files, {"a": 100, "b": 100}, (), terms, 30) == [files[0], files[3], files[1]]


def test_what_is_not_folded_stays_however_much_it_is() -> None:
    terms = RetentionTerms(keep_s=0, keep_bytes=0)
    assert expired(LIFE, {"a": 8}, (), terms, now_s=1000) == LIFE[:1]
    assert expired(LIFE, {}, (), terms, now_s=1000) == []


@st.composite
def directories(draw: st.DrawFn) -> tuple[list[JournalFile], dict[str, int], set[str]]:
    files = []
    for source in ("a", "b", "c"):
        firsts = sorted(draw(st.sets(st.integers(1, 50), max_size=5)))
        files += [
            file(source, first, size=draw(st.integers(0, 9)), written_s=draw(st.integers(0, 99)))
            for first in firsts
        ]
    folded = draw(st.dictionaries(st.sampled_from("abc"), st.integers(0, 60)))
    return files, folded, draw(st.sets(st.sampled_from("abc")))


@given(directories(), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_nothing_goes_that_may_be_needed_and_no_source_loses_its_middle(
    directory: tuple[list[JournalFile], dict[str, int], set[str]],
    keep_s: int,
    keep_bytes: int,
    now_s: int,
) -> None:
    files, folded, ended = directory
    gone = expired(files, folded, ended, RetentionTerms(keep_s, keep_bytes), now_s)
    for source in "abc":
        its_files = [each for each in files if each.source == source]
        left = [each for each in its_files if each not in gone]
        assert left == its_files[len(its_files) - len(left) :]
        if source not in ended and its_files:
            assert left
            # All beyond what is folded is in what is left.
            assert left[0].first_sequence <= folded.get(source, 0) or left == its_files


def write(directory: Path, source: str, first: int, written_s: int) -> Path:
    identity = SegmentId(source, first, 0)
    path = directory / identity.file_name
    path.write_bytes(encode_header(identity))
    os.utime(path, (written_s, written_s))
    return path


def test_pruning_deletes_and_tells_what_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "pool/0/1", 1, 10)
    for first in (1, 4):
        write(tmp_path, "pool/0/2", first, 10)
    left = write(tmp_path, "pool/0/2", 6, 10)
    (tmp_path / "pool.0.1.live").touch()
    terms = RetentionTerms(keep_s=5, keep_bytes=2**62)
    folded = {"pool/0/1": 7, "pool/0/2": 7}
    plan = plan_pruning(tmp_path, folded, {"pool/0/1"}, terms, now_s=100)
    assert plan.through == {"pool/0/1": 7, "pool/0/2": 5}
    assert plan.gone_sources == ["pool/0/1"]
    assert (len(plan.files), plan.left_bytes) == (3, left.stat().st_size)
    assert len(list(tmp_path.glob("*.journal"))) == 4  # nothing is done yet
    delete(tmp_path, plan)
    delete(tmp_path, plan)
    assert list(tmp_path.iterdir()) == [left]


def test_a_directory_that_is_well_is_left_alone(tmp_path: Path) -> None:
    paths = {write(tmp_path, "pool/0/1", first, 10) for first in (1, 5)}
    (tmp_path / "notes.journal").write_text("not a journal")
    plan = plan_pruning(tmp_path, {"pool/0/1": 9}, (), EVER, now_s=100)
    assert (plan.files, plan.through, plan.gone_sources) == ([], {}, [])
    assert paths < set(tmp_path.iterdir())
