"""The use cases, one module each. `SendQueue` is the entry for sends. Imports domain and ports only."""
