"""Configuration of the command: settings, data folder, ports, secrets. Imports processes and the kit."""
