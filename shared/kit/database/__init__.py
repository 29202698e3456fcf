"""A service's Postgres: `database.Database`, `unit_of_work.SqlUnitOfWorkFactory`, `idempotency.run_once`.

May import `kit.wire`, `kit.config`, `kit.telemetry`, `kit.clock` and the contracts.
"""
