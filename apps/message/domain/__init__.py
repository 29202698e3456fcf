"""Rules about messages, drafts and histories. Pure: imports contracts and the rules of membership only."""
