"""Kafka clients: `producer.Producer`, `consumer.PartitionConsumer` and `pausing_consumer.PausingConsumer`,
`topic_reader.TopicReader`, `topic_admin.ensure_topics`, `broker.make_broker`.

A process calls `aiokafka_patches.apply` at start.

May import `kit.wire`, `kit.config`, `kit.telemetry`, `kit.clock` and the contracts.
"""
