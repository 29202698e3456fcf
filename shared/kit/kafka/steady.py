"""What aiokafka needs to go on where it would stop or spin: in every module that reads or calls."""

from shared.kit.kafka import steady_metadata, steady_reading


def install() -> None:
    """Make all Kafka clients of this process steady. As often as you like."""
    steady_reading.install()
    steady_metadata.install()
