"""Database migrations: one folder a service, numbered revisions `0001_what.py`, one line without branches.

A new one: `SERVER_DATABASE_URL=… python -m migrations.new server "what it does"`, against a database at head.
"""
