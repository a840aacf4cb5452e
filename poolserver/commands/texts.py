"""Figures as people read them."""

from datetime import UTC, datetime
from itertools import pairwise

from poolserver.control_room.view import Figure

_WATTS = ((1e9, "GW"), (1e6, "MW"), (1e3, "kW"))
# Units below GH/s are those of one processor on regtest.
_HASHES = (
    *((1e21, "ZH/s"), (1e18, "EH/s"), (1e15, "PH/s"), (1e12, "TH/s")),
    *((1e9, "GH/s"), (1e6, "MH/s"), (1e3, "kH/s")),
)
_SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_COUNTS = (
    *((1e24, "Y"), (1e21, "Z"), (1e18, "E"), (1e15, "P")),
    *((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")),
)
_MOST_DIGITS = 4
_ROUNDED = 0.9995
"""Of a unit: from there on three digits are 1 of it, and not 1000 of the one below."""
SAT_PER_BTC = 100_000_000


def clean(text: str) -> str:
    """What others made up, with nothing in it that a terminal would obey.

    >>> clean("rig\\x1b[2J"), clean("Würfel 1")
    ('rig�[2J', 'Würfel 1')
    """
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def shortened(text: str, width: int) -> str:
    """
    >>> shortened("evening peak", 8), shortened("peak", 8)
    ('evening…', 'peak')
    """
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def figure_text(figure: Figure) -> str:
    """Watts with their error, which is shown though it be small; one that four decimals do not
    show is told as none.

    >>> figure_text(Figure(21.5e3, 3.3e3)), figure_text(Figure(1.31e9, 4e6))
    ('21.5 ±3.3 kW', '1.310 ±0.004 GW')
    >>> figure_text(Figure(30e3, 0.006))
    '30.0 ±0.0 kW'
    """
    largest = max(abs(figure.value), figure.sigma)
    size, unit = _unit(largest, _WATTS, "W")
    error = figure.sigma / size
    digits = 0 if unit == "W" else _digits(largest / size)
    while digits < _MOST_DIGITS and 0.5 * 10**-_MOST_DIGITS <= error < 0.5 * 10**-digits:
        digits += 1
    return f"{figure.value / size:.{digits}f} ±{error:.{digits}f} {unit}"


def watts_text(power_w: float) -> str:
    """
    >>> watts_text(1320e6), watts_text(-1500), watts_text(12)
    ('1.32 GW', '-1.50 kW', '12 W')
    """
    size, unit = _unit(power_w, _WATTS, "W")
    digits = 0 if unit == "W" else _digits(power_w / size)
    return f"{power_w / size:.{digits}f} {unit}"


def hashrate_text(hashrate_h_s: float) -> str:
    """
    >>> hashrate_text(1.234e15), hashrate_text(999.9e12), hashrate_text(0)
    ('1.23 PH/s', '1 PH/s', '0 H/s')
    """
    if hashrate_h_s < 1:
        return "0 H/s"
    size, unit = _unit(hashrate_h_s / _ROUNDED, _HASHES, "H/s")
    return f"{hashrate_h_s / size:.3g} {unit}"


def count_text(number: float) -> str:
    """Three digits and a prefix.

    >>> count_text(1_234_000), count_text(12), count_text(0.25)
    ('1.23M', '12', '0.25')
    """
    size, prefix = _unit(number / _ROUNDED, _COUNTS, "")
    return f"{number / size:.3g}{prefix}"


def part_text(part: float | None) -> str:
    """Of a whole, in percent; nothing where nothing is known.

    >>> part_text(0.0123), part_text(None)
    ('1.23%', '')
    """
    return "" if part is None else f"{part:.2%}"


def btc(sat: int) -> str:
    """An amount with all its decimals.

    >>> btc(312_500_001), btc(-5)
    ('3.12500001', '-0.00000005')
    """
    sign = "-" if sat < 0 else ""
    return f"{sign}{abs(sat) // SAT_PER_BTC}.{abs(sat) % SAT_PER_BTC:08d}"


def span_text(span_s: float) -> str:
    """A span of time by its two largest units.

    >>> span_text(0.4), span_text(59), span_text(3661), span_text(200_000)
    ('0.4 s', '59 s', '1 h 1 min', '2 d 7 h')
    """
    if span_s < 10:
        return f"{max(0.0, span_s):.1f} s"
    for (size, unit), (smaller, less) in pairwise(_SPANS):
        if span_s >= size:
            whole, rest = divmod(int(span_s), int(size))
            below = rest // int(smaller)
            return f"{whole} {unit} {below} {less}" if below else f"{whole} {unit}"
    return f"{span_s:.0f} s"


def ago_text(span_s: float) -> str:
    """In whole seconds at the least.

    >>> ago_text(-0.2), ago_text(7.3), ago_text(125)
    ('0 s ago', '7 s ago', '2 min 5 s ago')
    """
    text = span_text(span_s) if span_s >= 10 else f"{max(0.0, span_s):.0f} s"
    return f"{text} ago"


def time_text(unix_s: float) -> str:
    """
    >>> time_text(0)
    '1970-01-01 00:00:00'
    """
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _digits(value: float) -> int:
    """After the point: three in all, or more before it."""
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


def _unit(value: float, units: tuple[tuple[float, str], ...], plain: str) -> tuple[float, str]:
    return next(((size, unit) for size, unit in units if abs(value) >= size), (1.0, plain))
