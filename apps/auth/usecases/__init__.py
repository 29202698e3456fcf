"""Use cases of the auth service, one module an operation. They know ports and domain, no framework."""
