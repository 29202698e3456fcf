"""Database migrations: a folder for each service, with numbered revisions `0001_what.py` without branches.

Imports the kit and the tables of services; `runner.migrate` is the entry. To write a new one, with a
database at head: `SERVER_DATABASE_URL=… python -m migrations.new server "what it does"`.
"""
