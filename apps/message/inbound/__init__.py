"""Handlers of requests and events from Kafka: `register_operations`, `on_server_event`, `on_file_event`."""
