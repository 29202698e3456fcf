"""Tokens that tests write into Kafka themselves: to find one there is no fault."""

PLANTED: set[bytes] = set()
