"""The HTTP server with its bounds (`server.make_server`, `protocol.HttpBounds`), and problem details.

May import `kit.config`, `kit.telemetry`, `kit.clock` and the contracts.
"""
