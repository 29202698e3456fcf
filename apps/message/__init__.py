"""The message service: messages and their histories. `main` puts it together; it imports no other service."""
