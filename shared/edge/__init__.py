"""The HTTP edge of ports for clients, outermost `EdgeMiddleware`. Imports kit and contracts only."""
