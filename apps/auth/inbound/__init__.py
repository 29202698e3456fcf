"""Entry points of the auth service: operations from Kafka, mapped to use cases."""
