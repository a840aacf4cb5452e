"""What sites show is tested with the coordinator and the meters; here what is theirs alone."""

from poolserver.ledger.delta import Delta, WorkerRef
from poolserver.sites import MAX_UNASSIGNED_TOLD, Sites


def test_a_flood_of_accounts_without_a_site_is_not_remembered_for_ever() -> None:
    sites = Sites(())
    names = [f"x{number}" for number in range(MAX_UNASSIGNED_TOLD + 500)]
    workers = {WorkerRef("a", number): (name, name) for number, name in enumerate(names)}
    sites.tell_unassigned(Delta(workers=workers))
    assert len(sites._told) == MAX_UNASSIGNED_TOLD
