"""Readiness of a process and its health port: `checks.Health`, `endpoints.health_app`, `server.serve_health`.

May import `kit.http`, `kit.config`, `kit.telemetry` and `kit.clock`.
"""
