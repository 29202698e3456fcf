"""The server service: servers, channels, members, roles and invites."""
