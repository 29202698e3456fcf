"""The building blocks of a process, which know no business: Kafka calls and events, database, outbox, health.

May import the contracts. Its packages are layers (the contract "Layers of the kit" in pyproject.toml): each
may import the ones below it. `clock` holds time and ids.
"""
