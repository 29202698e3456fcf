"""The parts of the infrastructure that Concord can bring up by itself."""
