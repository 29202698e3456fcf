"""The fixtures of `tests/support/gateway.py`."""

from tests.support.gateway import api, http, make_world, world

__all__ = ["api", "http", "make_world", "world"]
