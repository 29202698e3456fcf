"""The subcommands, one module each, imported only when called. They may import all of cli."""
