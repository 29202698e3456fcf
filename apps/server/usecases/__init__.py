"""What the server service does, one file a verb."""
