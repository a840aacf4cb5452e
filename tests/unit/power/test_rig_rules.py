from dataclasses import dataclass

from poolserver.power.rig_rules import RuleBook, worker_name


@dataclass(frozen=True)
class Rules:
    rigs: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def test_the_first_rule_of_a_kind_holds() -> None:
    book = RuleBook([(Rules(workers=("a*",)), 1), (Rules(workers=("ab*",)), 2)])
    assert book.find("acc.abc") == 1
    book = RuleBook([(Rules(rigs=("acc.x",)), 1), (Rules(rigs=("acc.x",)), 2)])
    assert book.find("acc.x") == 1


def test_a_list_is_looked_at_before_any_pattern() -> None:
    book = RuleBook([(Rules(workers=("*",)), 1), (Rules(rigs=("acc.x",)), 2)])
    assert book.find("acc.x") == 2
    assert book.find("acc.y") == 1


def test_no_rule_no_answer() -> None:
    assert RuleBook[int]([]).find("acc.x", "10.0.0.1") is None
    assert RuleBook([(Rules(addresses=("10.0.0.0/8",)), 1)]).find("acc.x") is None


def test_a_worker_is_what_is_behind_the_account() -> None:
    assert worker_name("acc.rig.7") == "rig.7"
    assert worker_name("rig") == "rig"
    assert worker_name("acc.") == "acc."
