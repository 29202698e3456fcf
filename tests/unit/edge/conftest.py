"""The gateway of `tests/support/gateway.py`: the edge is tested where it serves."""

from tests.support.gateway import api, http, make_world, world

__all__ = ["api", "http", "make_world", "world"]
