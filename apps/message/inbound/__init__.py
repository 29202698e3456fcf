"""Entry points of the message service: operations and events from Kafka, mapped to use cases.

Imports use cases, ports, domain, contracts and the kit.
"""
