"""Provisioning of topics and tables: `prepare`. Imports migrations, contracts and the kit."""
