import pytest

from poolserver.mining.identity import WorkerIdentity


def test_instance_worker_and_boot_epoch_are_in_source_and_job_prefix() -> None:
    identity = WorkerIdentity("pool-1", 3, 0x6923D0F0)
    assert identity.source == "pool-1/3/1763954928"
    assert identity.job_prefix[2:] == "036923d0f0"


@pytest.mark.parametrize(
    "other",
    [
        WorkerIdentity("pool-2", 3, 1000),
        WorkerIdentity("pool-1", 4, 1000),
        WorkerIdentity("pool-1", 3, 1001),
    ],
)
def test_another_instance_worker_or_epoch_has_other_job_ids_and_tags(
    other: WorkerIdentity,
) -> None:
    identity = WorkerIdentity("pool-1", 3, 1000)
    assert identity.job_prefix != other.job_prefix
    assert identity.job_tag_prefix != other.job_tag_prefix


@pytest.mark.parametrize(("index", "epoch"), [(-1, 1), (64, 1), (0, 0), (0, 1 << 32)])
def test_numbers_that_do_not_fit_their_bits_are_refused(index: int, epoch: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        WorkerIdentity("pool-1", index, epoch)
