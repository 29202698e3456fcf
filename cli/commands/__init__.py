"""The subcommands, one module each, imported only when called."""
