"""Settings that do not go together are told so, each at its path."""

from collections.abc import Callable

import pytest

After = Callable[..., list[str]]

LOGIN = 'username = "u"\npassword = "hunter2"\n'
NEEDS_LOGIN = ["nodes[0]: needs username and password, or cookie_file"]
ONE_PASSWORD = ["nodes[0]: needs one of password and password_env with its username"]
SECOND_SITE = '\n[[sites]]\nname = "two"\naccounts = ["two"]\nbudget_mw = 1\n'
MAIN_ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
REGTEST_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


def test_the_good_configuration_is_good(after: After) -> None:
    assert after() == []


def test_a_payout_address_of_another_network_is_refused(after: After) -> None:
    (problem,) = after((REGTEST_ADDRESS, MAIN_ADDRESS))
    assert problem.startswith("payout.address: ")
    assert "is a main address, this pool runs on regtest" in problem


def test_a_mistyped_payout_address_is_refused(after: After) -> None:
    (problem,) = after((REGTEST_ADDRESS, REGTEST_ADDRESS[:-1] + "q"))
    assert problem.startswith("payout.address: ")


SPLIT = f"""
scheme = "split"
fee_basis_points = 150
[[payout.shares]]
name = "north"
address = "{REGTEST_ADDRESS}"
weight = 3
[[payout.shares]]
name = "south"
address = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"
weight = 1
"""
PAYOUT = f'address = "{REGTEST_ADDRESS}"'


def test_a_reward_may_be_split_over_addresses(after: After) -> None:
    assert after((PAYOUT, PAYOUT + SPLIT)) == []


PPLNS = """
scheme = "pplns"
fee_basis_points = 150
window = 2.5
[[payout.accounts]]
name = "north"
address = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"
"""


def test_a_reward_may_go_by_work(after: After) -> None:
    assert after((PAYOUT, PAYOUT + PPLNS)) == []
    assert after((PAYOUT, f'{PAYOUT}\nscheme = "pplns"')) == []


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        (PPLNS.replace('"pplns"', '"split"'), "shares: needs at least one"),
        (SPLIT.replace('"split"', '"pplns"'), "shares: are paid by scheme = "),
        (PPLNS.replace("2.5", "0"), "window: must be above 0"),
        (PPLNS.replace("2.5", "1001"), "window: must be at most 1000"),
        (
            PPLNS + PPLNS[PPLNS.index("[[") :],
            'accounts[1].name: "north" is already payout.accounts[0].name',
        ),
        (PPLNS.replace("north", REGTEST_ADDRESS), "accounts[0].name: is an address itself"),
        (
            PPLNS.replace("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", MAIN_ADDRESS),
            "accounts[0].address: ",
        ),
    ],
)
def test_what_is_wrong_with_pplns_is_told(after: After, settings: str, trouble: str) -> None:
    problems = after((PAYOUT, f"{PAYOUT}\n{settings}"))
    assert problems[0].startswith(f"payout.{trouble}")


def test_accounts_are_paid_by_pplns_alone(after: After) -> None:
    settings = PPLNS.replace('"pplns"', '"solo"').replace("150", "0")
    (problem,) = after((PAYOUT, f"{PAYOUT}\n{settings}"))
    assert problem.startswith("payout.accounts: are paid by scheme = ")


def test_each_address_of_a_split_is_looked_at(after: After) -> None:
    wrong = SPLIT.replace("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", MAIN_ADDRESS)
    (problem,) = after((PAYOUT, PAYOUT + wrong))
    assert problem.startswith("payout.shares[1].address: ")
    assert "is a main address, this pool runs on regtest" in problem


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        ('scheme = "split"', "shares: needs at least one [[payout.shares]] to split by"),
        (SPLIT.replace('"split"', '"solo"').replace("150", "0"), "shares: are paid by scheme = "),
        ("fee_basis_points = 1", "fee_basis_points: is taken of shares, and solo has none"),
        (SPLIT.replace("south", "north"), 'shares[1].name: "north" is already payout.shares[0]'),
        (SPLIT.replace("weight = 1", "weight = 0"), "shares[1].weight: must be "),
        (SPLIT.replace("150", "10001"), "fee_basis_points: must be "),
    ],
)
def test_what_is_wrong_with_a_split_is_told(after: After, settings: str, trouble: str) -> None:
    (problem,) = after((PAYOUT, f"{PAYOUT}\n{settings}"))
    assert problem.startswith(f"payout.{trouble}")


@pytest.mark.parametrize(
    ("login", "trouble"),
    [
        ("", NEEDS_LOGIN),
        ('password = "p"\n', NEEDS_LOGIN),
        ('username = "u"\npassword = "p"\ncookie_file = "c"\n', NEEDS_LOGIN),
        ('username = "u"\n', ONE_PASSWORD),
        ('username = "u"\npassword = "p"\npassword_env = "RPC"\n', ONE_PASSWORD),
        ('username = "u"\npassword_env = "RPC"\n', []),
        ('cookie_file = "not/there/yet"\n', []),
    ],
)
def test_a_node_has_one_way_to_log_in(after: After, login: str, trouble: list[str]) -> None:
    assert after((LOGIN, login), RPC="p") == trouble


@pytest.mark.parametrize("environ", [{}, {"RPC": ""}])
def test_a_password_variable_must_be_set(after: After, environ: dict[str, str]) -> None:
    assert after((LOGIN, 'username = "u"\npassword_env = "RPC"\n'), **environ) == [
        "nodes[0].password_env: names a variable that the environment does not have"
    ]


def test_two_nodes_may_not_be_the_same(after: After) -> None:
    again = '[[nodes]]\nurl = "http://127.0.0.1:18443"\ncookie_file = "c"\n'
    assert after(("[[listeners]]", again + "[[listeners]]")) == [
        'nodes[1].url: "http://127.0.0.1:18443" is already nodes[0].url'
    ]


OTHER = '[[nodes]]\nurl = "http://127.0.0.1:18444"\ncookie_file = "c"\n'


@pytest.mark.parametrize(
    ("first", "second", "trouble"),
    [
        ("", "", []),
        ('name = "a"\n', 'name = "b"\n', []),
        ('name = "a"\n', 'name = "a"\n', ['nodes[1].name: "a" is already nodes[0].name']),
        ("trusted = true\n", "", []),
        (
            "trusted = true\n",
            "trusted = true\n",
            ["nodes[1].trusted: is for one node only, and nodes[0] has it already"],
        ),
        (
            "",
            'roles = ["submit"]\ntrusted = true\n',
            ['nodes[1].trusted: needs the role "template"'],
        ),
        ('roles = ["template"]\n', 'roles = ["submit"]\n', []),
        (
            'roles = ["template"]\n',
            'roles = ["template"]\n',
            ['nodes: needs at least one with the role "submit"'],
        ),
        (
            'roles = ["submit"]\n',
            'roles = ["submit"]\n',
            ['nodes: needs at least one with the role "template"'],
        ),
        (
            'roles = ["submit", "template", "submit"]\n',
            "",
            ['nodes[0].roles[2]: "submit" is already nodes[0].roles[0]'],
        ),
        ("roles = []\n", "", ["nodes[0].roles: needs at least one"]),
        (
            'roles = ["both"]\n',
            "",
            ['nodes[0].roles[0]: must be "submit" or "template", is "both"'],
        ),
        (
            'name = "a b"\n',
            "",
            ['nodes[0].name: must be 1 to 32 of A-Z, a-z, 0-9, ., _ and -, is "a b"'],
        ),
    ],
)
def test_nodes_go_together(after: After, first: str, second: str, trouble: list[str]) -> None:
    assert after((LOGIN, LOGIN + first), ("[[listeners]]", OTHER + second + "[[listeners]]")) == (
        trouble
    )


def test_nodes_of_one_host_and_port_need_names(after: After) -> None:
    other = OTHER.replace("18444", "18443/wallet")
    assert after(("[[listeners]]", other + "[[listeners]]")) == [
        'nodes[1].name: "127.0.0.1:18443" is already nodes[0].name'
    ]


def test_nothing_listens_at_the_same_address_twice(after: After) -> None:
    again = '[[listeners]]\naddress = "127.0.0.1:3333"\n[http]\naddress = "127.0.0.1:3333"\n'
    assert after(("[[sites]]", again + "[[sites]]")) == [
        'listeners[1].address: "127.0.0.1:3333" is already listeners[0].address',
        'http.address: "127.0.0.1:3333" is already listeners[0].address',
    ]


def test_port_0_may_be_asked_for_twice(after: After) -> None:
    again = '[[listeners]]\naddress = "127.0.0.1:0"\n'
    assert after(("[[sites]]", again * 2 + "[[sites]]")) == []


@pytest.mark.parametrize(
    ("difficulties", "trouble"),
    [
        ("1\nmin_difficulty = 2", ["start_difficulty: must be at least min_difficulty, 2, is 1"]),
        ("2\nmax_difficulty = 1", ["max_difficulty: must be at least start_difficulty, 2, is 1"]),
        (
            "2\nmin_difficulty = 3\nmax_difficulty = 1",
            [
                "start_difficulty: must be at least min_difficulty, 3, is 2",
                "max_difficulty: must be at least start_difficulty, 2, is 1",
            ],
        ),
        ("1\nmin_difficulty = 1\nmax_difficulty = 1", []),
    ],
)
def test_difficulties_are_in_order(after: After, difficulties: str, trouble: list[str]) -> None:
    change = ("1e-6\nmin_difficulty = 1e-9", difficulties)
    assert after(change) == [f"listeners[0].{each}" for each in trouble]


def test_a_floor_above_the_ceiling_is_found_without_a_start(after: After) -> None:
    change = ("start_difficulty = 1e-6\nmin_difficulty = 1e-9", "min_difficulty = 2")
    assert after(change) == []
    assert after((change[0], change[1] + "\nmax_difficulty = 1")) == [
        "listeners[0].max_difficulty: must be at least min_difficulty, 2, is 1"
    ]


def test_two_sites_may_not_share_a_name(after: After, good: str) -> None:
    second = SECOND_SITE.replace('name = "two"', 'name = "demo"')
    assert after(text=good + second) == ['sites[1].name: "demo" is already sites[0].name']


def test_an_account_belongs_to_one_site(after: After, good: str) -> None:
    second = SECOND_SITE.replace('["two"]', '["two", "demo"]')
    assert after(text=good + second) == [
        'sites[1].accounts[1]: "demo" is already sites[0].accounts[0]'
    ]


def test_the_name_for_work_without_a_site_is_kept(after: After) -> None:
    assert after(('name = "demo"', 'name = "unassigned"')) == [
        'sites[0].name: "unassigned" is kept for work without a site'
    ]


@pytest.mark.parametrize(
    ("network", "address"),
    [("main", MAIN_ADDRESS), ("testnet4", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx")],
)
def test_work_is_not_scaled_where_coins_have_a_price(
    after: After, network: str, address: str
) -> None:
    changes = (('"regtest"', f'"{network}"'), (REGTEST_ADDRESS, address))
    trouble = f"sites[0].work_scale: is for regtest and private signets, not for {network}"
    assert after(*changes) == [trouble]
    assert after(*changes, ("work_scale = 10_000_000_000", "work_scale = 1")) == []


def test_work_may_be_scaled_on_a_signet(after: After) -> None:
    address = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"
    assert after(('"regtest"', '"signet"'), (REGTEST_ADDRESS, address)) == []


def test_problems_of_values_and_between_them_come_at_once(after: After, good: str) -> None:
    changes = (
        ('network = "regtest"', 'network = "mainnet"'),
        ("[payout]\naddress", "[payout]\nadress"),
        ("pue = 1.05", "pue = 0.9"),
        ("min_difficulty = 1e-9", "min_difficulty = 1"),
    )
    assert after(*changes, text=good + SECOND_SITE.replace('"two"]', '"demo"]')) == [
        'network: must be "main", "regtest", "signet" or "testnet4", is "mainnet"',
        'payout.adress: unknown setting; did you mean "address"?',
        "payout.address: is missing",
        "sites[0].pue: must be at least 1, is 0.9",
        "listeners[0].start_difficulty: must be at least min_difficulty, 1, is 1e-06",
        'sites[1].accounts[0]: "demo" is already sites[0].accounts[0]',
    ]


# --- the ledger's database ---------------------------------------------------------------------

POSTGRES = 'store = "postgresql"\npostgresql = "postgresql://pool@db.example/ledger"\n'
FOR_POSTGRES = 'is for store = "postgresql" alone'


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        ("", []),
        (POSTGRES, []),
        (POSTGRES + 'postgresql_password = "p"', []),
        (POSTGRES + 'postgresql_password_env = "PG"', []),
        ('store = "postgresql"', ["ledger.postgresql: is missing: where the database is"]),
        (POSTGRES.replace('"postgresql"', '"sqlite"'), [f"ledger.postgresql: {FOR_POSTGRES}"]),
        ('postgresql_password = "p"', [f"ledger.postgresql_password: {FOR_POSTGRES}"]),
        (
            POSTGRES + 'postgresql_password = "p"\npostgresql_password_env = "PG"',
            ["ledger: needs one of postgresql_password and postgresql_password_env"],
        ),
        (
            POSTGRES + 'postgresql_password_env = "NONE"',
            ["ledger.postgresql_password_env: names a variable that the environment does not have"],
        ),
    ],
)
def test_what_a_ledgers_database_needs_is_told(
    good: str, after: After, ledger: str, expected: list[str]
) -> None:
    assert after(text=f"{good}\n[ledger]\n{ledger}", PG="s3cret") == expected
