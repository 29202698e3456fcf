"""Child processes: starting, watching, recording, stopping."""
