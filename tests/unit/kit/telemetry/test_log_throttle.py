"""The same message of a logger passes a few times, then it is counted."""

import logging

import pytest

from shared.kit.telemetry.log_throttle import LogThrottle


class ThrottledLogger:
    """A logger's output through the filter, with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.throttle = LogThrottle("aiokafka", burst=2, window_s=10, now=lambda: self.now)

    def log(self, message: str, *values: object, name: str = "aiokafka.client") -> logging.LogRecord | None:
        record = logging.LogRecord(name, logging.ERROR, "", 1, message, values, None)
        return record if self.throttle.filter(record) else None


@pytest.fixture
def logger() -> ThrottledLogger:
    return ThrottledLogger()


def test_a_message_passes_twice_and_is_then_counted(logger: ThrottledLogger) -> None:
    logged = [logger.log("no connection to %s", number) is not None for number in range(5)]
    assert logged == [True, True, False, False, False]
    logger.now = 10
    again = logger.log("no connection to %s", 6)
    assert again is not None
    assert again.unsaid == 3  # type: ignore[attr-defined]
    fresh = logger.log("no connection to %s", 7)
    assert fresh is not None
    assert not hasattr(fresh, "unsaid")
    assert logger.log("no connection to %s", 8) is None


def test_other_messages_and_other_loggers_are_not_touched(logger: ThrottledLogger) -> None:
    for number in range(5):
        assert logger.log(f"fault {number}")
        assert logger.log("the same", name="shared.kit.rpc.client")
        assert logger.log("the same", name="aiokafkaesque")


def test_its_memory_is_bounded(logger: ThrottledLogger) -> None:
    for number in range(5000):
        logger.log(f"message {number}")
    assert len(logger.throttle._windows) <= 1000
