"""The traces of a correlation id in logs and in Kafka, as one time line: `kafka_steps`, `log_steps`."""
