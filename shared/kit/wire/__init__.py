"""The form of calls on Kafka: record headers (`headers`), calls and replies (`call`), failures (`failure`).

May import `kit.config`, `kit.telemetry`, `kit.clock` and the contracts.
"""
