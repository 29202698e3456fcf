"""Signed records (`record_signatures.RecordSigner`), encrypted fields (`field_encryption.FieldEncryption`)
and access tokens (`access_tokens.TokenVerifier`).

May import `kit.wire`, `kit.config`, `kit.telemetry`, `kit.clock` and the contracts.
"""
