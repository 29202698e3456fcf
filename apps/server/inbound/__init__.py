"""Entry points of the server service: operations and events from Kafka, mapped to use cases."""
