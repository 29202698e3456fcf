"""The API documents and error pages that the gateway serves (`Documents`); imports routes and contracts."""
