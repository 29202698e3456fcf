"""A port that was drawn is nobody else's."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cli.config import ports
from cli.config.ports import LOOPBACK, free_port, is_taken

DRAW = """
from cli.config import ports
ports.LOWEST, ports.HIGHEST = {lowest}, {highest}
print(ports.free_port())
"""


@pytest.fixture
def two_ports(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """Only these two can be drawn, and nothing listens on either."""
    monkeypatch.setattr(ports, "_reserved", type(ports._reserved)(maxlen=ports._reserved.maxlen))
    lowest = next(port for port in range(40001, 60000, 7) if not is_taken(port) and not is_taken(port + 1))
    monkeypatch.setattr(ports, "LOWEST", lowest)
    monkeypatch.setattr(ports, "HIGHEST", lowest + 1)
    yield lowest, lowest + 1
    for reservation in ports._reserved:
        reservation.close()


def test_no_port_is_drawn_twice_though_nobody_listens_yet(two_ports: tuple[int, int]) -> None:
    assert {free_port(), free_port()} == set(two_ports)
    with pytest.raises(RuntimeError, match="no free port"):
        free_port()


def test_another_process_draws_another_port(two_ports: tuple[int, int]) -> None:
    mine = free_port()
    code = DRAW.format(lowest=two_ports[0], highest=two_ports[1])
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {mine, int(theirs.stdout)} == set(two_ports)


def test_a_port_that_is_listened_on_is_not_drawn(two_ports: tuple[int, int]) -> None:
    with socket.create_server((LOOPBACK, two_ports[0])):
        assert free_port() == two_ports[1]


def test_whoever_drew_a_port_may_listen_on_it(two_ports: tuple[int, int]) -> None:
    port = free_port()
    assert not is_taken(port)
    with socket.create_server((LOOPBACK, port)):
        assert is_taken(port)
