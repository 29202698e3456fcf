"""The services: one package each. None imports another; what they share is in `shared`."""
