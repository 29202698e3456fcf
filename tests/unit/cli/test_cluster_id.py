"""Cluster ids that Kafka's command line reads as such."""

from unittest.mock import patch

from cli.embedded.kafka import new_cluster_id


def test_no_id_begins_like_an_option() -> None:
    for first in range(256):
        with patch("secrets.token_bytes", return_value=bytes((first, *range(15)))):
            made = new_cluster_id()
        assert len(made) == 22
        assert not made.startswith("-")
