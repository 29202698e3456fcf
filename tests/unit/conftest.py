"""Settings of all unit tests."""

from hypothesis import settings

# A busy machine is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
