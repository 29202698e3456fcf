"""Generator of the OpenAPI document from routes and contracts: `openapi_document`."""
