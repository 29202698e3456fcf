"""Child processes: `Child`, `Supervisor`, `Records`. Imports the standard library and cli.errors."""
