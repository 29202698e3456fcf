"""Entities and rules of accounts, sessions, keys and login attempts. Imports contracts only."""
