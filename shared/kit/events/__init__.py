"""Consumption of events: `consumer.EventConsumer` by group, with retries; `tail.TopicTailer` without a group.

May import every package of the kit but `runtime`, `rpc` and `outbox`.
"""
