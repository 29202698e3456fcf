"""Consumption of events: `consumer.EventConsumer` by group, with retries; `tail.TopicTailer` without a group.

Imports the layers of the kit below it.
"""
