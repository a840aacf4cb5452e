"""The bytes of a row and the heads of a chain, as docs/energy.md has them."""

from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from poolserver.ledger.energy import EnergyRow, chained, head_of

# The worked example of docs/energy.md: 1,000 Antminer S21 at a transformer of PUE 1.05's site.
ROW = EnergyRow(
    begin_s=1_782_864_000,
    end_s=1_782_864_900,
    node="Sahiwal/T2",
    method="meter",
    meter="t2",
    metered_j=3_222_000_000,
    covered_ms=900_000,
    spread_ms=0,
    late_j=0,
    proven_work=180_000_000_000_000_000_000,
    accepted_work=179_100_000_000_000_000_000,
    pue=Fraction(1),
    work_scale=1,
    estimated_pj=Fraction(3_150_000_000 * 10**12),
    sigma_j=176_000_000,
    ai_j=0,
    ai_known_ms=900_000,
    auxiliary_j=18_000_000,
    mining_j=3_204_000_000,
    residual_j=54_000_000,
    allocated_j=4_500_000_000,
    excess_j=0,
    curtailed_j=0,
    expected_msat=None,
    observed_ms=900_000,
)
BYTES = (
    b"19:poolserver energy 1,10:1782864000,10:1782864900,10:Sahiwal/T2,5:meter,2:t2,"
    b"10:3222000000,6:900000,1:0,1:0,21:180000000000000000000,21:179100000000000000000,"
    b"1:1,1:1,22:3150000000000000000000,9:176000000,1:0,6:900000,8:18000000,10:3204000000,"
    b"8:54000000,10:4500000000,1:0,1:0,1:-,6:900000,"
)


def test_a_row_is_hashed_as_netstrings_of_its_fields() -> None:
    assert ROW.canonical == BYTES
    assert ROW.estimated_j == 3_150_000_000


def test_a_head_stands_over_the_row_and_the_head_before_it() -> None:
    first = sha256(b"poolserver energy row 1\n" + bytes(32) + BYTES).digest()
    second = sha256(b"poolserver energy row 1\n" + first + BYTES).digest()
    assert [each.head for each in chained([ROW, ROW])] == [first, second]
    assert [each.number for each in chained([ROW, ROW], 7, first)] == [8, 9]
    assert first.hex() == "581623b4e3f8bf68f1cde3272684ac474db01aad4bbdc270096507f7a7e77302"


def test_a_fraction_is_hashed_in_its_lowest_terms() -> None:
    assert b",4:17/2," in ROW._replace(estimated_pj=Fraction(34, 4)).canonical


@given(st.data())
def test_any_change_of_a_row_is_another_head(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(EnergyRow._fields))
    value = getattr(ROW, name)
    other = data.draw(
        st.text(max_size=9) if isinstance(value, str) else st.none() | st.integers(-9, 2**70)
    )
    if other != value:
        assert head_of(bytes(32), ROW._replace(**{name: other})) != head_of(bytes(32), ROW)


def test_the_page_on_energy_has_the_examples_head() -> None:
    page = Path(__file__).parents[3] / "docs" / "energy.md"
    assert next(chained([ROW])).head.hex() in page.read_text()
