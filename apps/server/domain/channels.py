"""Channels: their limits."""

CHANNELS_MAX = 500
"""Channels of one server."""
LISTED_CHANNELS_MAX = 700
"""Channels in one page of servers: even with the longest names, the page fits into a Kafka record (1 MiB)."""
FIRST_CHANNEL = "general"
"""Name of the channel that a new server starts with."""
