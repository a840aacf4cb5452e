"""What is known late: what a quantity will be once the commands under way have had their effect.

A meter tells of a command seconds later, and shares tell minutes later. A loop that looks only at
what it reads switches off the same watts again at each tick until they show. One that subtracts
what is under way from what it reads subtracts it twice as it begins to show. So the level that
was aimed at is remembered, and believed as long as commands under way can explain the reading:

    expected = aimed at, but no lower than read - going off, and no higher than read + coming on

Once nothing is under way, this is what is read.
"""


def expected(aimed: float | None, read: float, going_off: float, coming_on: float) -> float:
    """All in one unit, watts or rigs; ``aimed`` is what was expected in the tick before.

    >>> expected(90.0, 100.0, 10.0, 0.0)  # told to go down by 10, and nothing shows yet
    90.0
    >>> expected(90.0, 92.0, 10.0, 0.0)  # most of it shows
    90.0
    >>> expected(90.0, 105.0, 10.0, 0.0)  # five came from elsewhere
    95.0
    >>> expected(90.0, 100.0, 0.0, 0.0)  # it should have shown by now
    100.0
    """
    if aimed is None:
        aimed = read - going_off + coming_on
    return min(max(aimed, read - going_off), read + coming_on)
