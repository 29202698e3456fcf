"""Is anything lost while processes are killed? Senders with a ledger, kills drawn at random, a reckoning."""
