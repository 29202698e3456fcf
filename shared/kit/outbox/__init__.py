"""The transactional outbox: `outbox.Outbox` writes events, `relay.Relay` sends them to Kafka.

May import `kit.kafka`, `kit.database`, `kit.wire`, `kit.telemetry`, `kit.clock` and the contracts.
"""
