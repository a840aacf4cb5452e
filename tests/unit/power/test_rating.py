from fractions import Fraction

from poolserver.power.rating import Rating, RatingSource, common_errors


def test_telemetry_owes_nothing_to_nameplates() -> None:
    told = Rating(Fraction(17), RatingSource.TELEMETRY, "")
    assert "nameplates" not in dict(common_errors(told, "A"))
