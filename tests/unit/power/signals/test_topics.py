"""What topics are about."""

import pytest

from poolserver.power.signals.topics import About, Topics

TOPICS = Topics("plant/north", "pool-1")


@pytest.mark.parametrize(
    ("topic", "about"),
    [
        ("meters/t2", About("meter", "t2")),
        ("ai/Port Qasim/hall", About("ai", "hall", "Port Qasim")),
        ("budget/Sahiwal", About("budget", "Sahiwal")),
        ("budget/Sahiwal/F1/T2", About("budget", "Sahiwal/F1/T2")),
        ("budget", About("budget", "/")),
        ("meters/50%25 %2B %23", About("meter", "50% + #")),
    ],
)
def test_a_topic_tells_what_it_is_about(topic: str, about: About) -> None:
    assert TOPICS.about(f"plant/north/{topic}") == about


@pytest.mark.parametrize("topic", ["plant/north/meters", "plant/north/ai/x", "else", "meters/a/b"])
def test_any_other_is_told_as_such(topic: str) -> None:
    assert TOPICS.about(topic).kind == "other"


def test_what_is_published_has_no_wildcard_in_it() -> None:
    assert TOPICS.site("A+B#1%") == "plant/north/pool/pool-1/sites/A%2BB%231%25"
    assert TOPICS.status == "plant/north/pool/pool-1/status"
