"""The durability benchmark: kill processes under load and compare the ledger. Imports bench and cli."""
