"""Lines that C writes are those that Prometheus' own client writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from poolserver.metrics.families import ValueFamily, counter, gauge
from poolserver.metrics.lines import (
    AT_ONCE,
    Encoder,
    batches,
    heading,
    lines,
    pack_labels,
    pack_numbers,
)

GAUGE = gauge("rack_watts", "node", "source", help='What "a" rack draws.')
COUNTER = counter("rack_joules", "node", "source", help="What a rack took.")
ENCODERS = (generate_latest, generate_openmetrics)
# Whatever a name may have: quotes, backslashes, ends of lines, any script; and all of it at once.
HOSTILE = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from('"\\\n}{,= \r\t\x00\x85\u2028#é⛏')),
)
VALUE = st.floats(-1e9, 1e9)
ROW = st.tuples(HOSTILE, HOSTILE, VALUE)


Row = tuple[str, str, float]


class Made(Collector):
    """By Prometheus' client."""

    def __init__(self, family: ValueFamily, rows: list[Row]) -> None:
        self._family = family.make()
        for node, source, value in rows:
            self._family.add_metric([node, source], value)

    def collect(self) -> list[Metric]:
        return [self._family]


def parts(text: bytes) -> list[tuple[bytes, float]]:
    """Lines without their values, and the values."""
    split = [line.rsplit(b" ", 1) for line in text.split(b"\n") if line]
    return [(series, float(value)) for series, value in split]


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("family", [GAUGE, COUNTER])
@given(rows=st.lists(ROW, max_size=5))
def test_the_text_is_that_of_prometheus_own_client(
    family: ValueFamily, encode: Encoder, rows: list[Row]
) -> None:
    def written(collector: Collector) -> bytes:
        return encode(collector).removesuffix(b"# EOF\n")

    theirs = written(Made(family, rows))
    head = heading(family, written)
    assert theirs.startswith(head)
    labels = pack_labels([(node, source) for node, source, _ in rows], "node", "source")
    ours = lines(family, labels, pack_numbers(value for _, _, value in rows), decimals=3)
    told = zip(parts(ours), parts(theirs.removeprefix(head)), strict=True)
    for (series, value), (their_series, exact) in told:
        assert series == their_series
        assert value == pytest.approx(exact, abs=0.000501)


@given(st.lists(st.one_of(VALUE, st.none())))
def test_a_row_without_a_number_has_no_line(values: list[float | None]) -> None:
    labels = pack_labels([(str(row),) for row in range(len(values))], "node")
    told = [series for series, _ in parts(lines(GAUGE, labels, pack_numbers(values)))]
    wanted = [row for row, value in enumerate(values) if value is not None]
    assert told == [b'poolserver_rack_watts{node="%d"}' % row for row in wanted]


def test_labels_that_all_rows_have_come_behind_their_own() -> None:
    labels = pack_labels([("a", "left out")], "node")
    text = lines(GAUGE, labels, pack_numbers([1.5]), decimals=1, more=b',source="b"')
    assert text == b'poolserver_rack_watts{node="a",source="b"} 1.5\n'


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_batches_are_all_rows_in_order(count: int) -> None:
    rows = tuple(range(count))
    some = list(batches(rows))
    assert sum(some, ()) == rows
    assert all(0 < len(each) <= AT_ONCE for each in some)
