"""The traces of a correlation id in logs and in Kafka, in one time line: `kafka_steps`, `log_steps`.

Imports output and the kit.
"""
