"""The server service: servers, channels, members and invites. `main` is its composition root."""
