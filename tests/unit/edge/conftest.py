"""The gateway of `tests/support/gateway.py`: the edge is tested as a part of it."""

from tests.support.gateway import api, http, make_world, world

__all__ = ["api", "http", "make_world", "world"]
