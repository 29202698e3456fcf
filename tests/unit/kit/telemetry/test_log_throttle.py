"""The same message of a chatty library is let through a few times, then counted."""

import logging

import pytest

from shared.kit.telemetry.log_throttle import LogThrottle


class Ear:
    """A logger's output through the filter, with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calm = LogThrottle("aiokafka", times=2, window_s=10, now=lambda: self.now)

    def hears(self, message: str, *values: object, name: str = "aiokafka.client") -> logging.LogRecord | None:
        record = logging.LogRecord(name, logging.ERROR, "", 1, message, values, None)
        return record if self.calm.filter(record) else None


@pytest.fixture
def ear() -> Ear:
    return Ear()


def test_the_same_is_said_twice_and_then_counted(ear: Ear) -> None:
    heard = [ear.hears("no connection to %s", number) is not None for number in range(5)]
    assert heard == [True, True, False, False, False]
    ear.now = 10
    again = ear.hears("no connection to %s", 6)
    assert again is not None
    assert again.unsaid == 3  # type: ignore[attr-defined]
    fresh = ear.hears("no connection to %s", 7)
    assert fresh is not None
    assert not hasattr(fresh, "unsaid")
    assert ear.hears("no connection to %s", 8) is None


def test_other_messages_and_other_loggers_are_not_touched(ear: Ear) -> None:
    for number in range(5):
        assert ear.hears(f"fault {number}")
        assert ear.hears("the same", name="shared.kit.rpc.client")
        assert ear.hears("the same", name="aiokafkaesque")


def test_what_it_remembers_is_bounded(ear: Ear) -> None:
    for number in range(5000):
        ear.hears(f"message {number}")
    assert len(ear.calm._said) <= 1000
