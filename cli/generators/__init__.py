"""Generators of documents from the code: `settings_page`, `kafka_acls`. They may import services."""
