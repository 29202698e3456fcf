"""Adapters that call the use cases: Kafka operations and events, FileApp over HTTP. Imports kit and edge."""
