"""Tokens that tests write into Kafka by themselves, so that finding one there proves nothing."""

PLANTED: set[bytes] = set()
