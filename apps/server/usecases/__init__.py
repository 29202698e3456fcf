"""Use cases of the server service, one module an operation. They know ports and domain, no framework."""
