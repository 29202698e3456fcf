"""Generator of the AsyncAPI document from the contracts: `asyncapi_document`."""
