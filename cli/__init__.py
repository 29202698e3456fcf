"""The command `concord`: `cli.main` is its entry. It may import every other package."""
