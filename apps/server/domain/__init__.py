"""Entities, limits and rules of servers, channels, members and invites. Imports contracts only."""
