"""Records that failed: `publisher.DeadLetterPublisher` sends them on, `store.DeadLetterStore` redrives them.

May import `kit.kafka`, `kit.wire`, `kit.telemetry`, `kit.clock` and the contracts.
"""
