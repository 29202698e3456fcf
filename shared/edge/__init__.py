"""The HTTP edge of processes with a port for clients, outermost `EdgeMiddleware`; imports kit and contracts."""
