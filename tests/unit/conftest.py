"""Settings of Hypothesis for all unit tests."""

from hypothesis import settings

# No deadline: a busy machine is not a fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
