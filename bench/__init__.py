"""Benchmarks: `bench.command` is the entry. Imports cli, contracts and the kit; only cli.main imports it."""
