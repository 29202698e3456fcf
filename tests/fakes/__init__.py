"""Fakes of the services' ports, in memory; contract tests run against them and against the real adapters."""
