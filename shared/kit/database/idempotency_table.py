"""The table of the ledger, and the statements on it."""

from sqlalchemy import Column, DateTime, Index, LargeBinary, MetaData, SmallInteger, Table, Uuid, text


def requests_table(metadata: MetaData) -> Table:
    """Add the table `requests` to a service's metadata.

    `key` and `fingerprint` are SHA-256 digests; `body` is the JSON of the answer or, from status 400 on, of
    the error; both are null only within the transaction that works.
    """
    return Table(
        "requests",
        metadata,
        Column("profile_id", Uuid, primary_key=True),
        Column("key", LargeBinary, primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("status", SmallInteger),
        Column("body", LargeBinary),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Index("requests_expires_at", "expires_at"),
    )


SWEEP_PAGE = 2_000

# Waits for another transaction that has the same key, then takes the row only when it is none or too old.
CLAIM = text(
    """
    INSERT INTO requests (profile_id, key, fingerprint, expires_at)
    VALUES (:profile_id, :key, :fingerprint, :expires_at)
    ON CONFLICT (profile_id, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, expires_at = excluded.expires_at, status = NULL, body = NULL
        WHERE requests.expires_at <= :now
    RETURNING 1
    """
)
READ = text(
    """
    SELECT fingerprint, status, body FROM requests
    WHERE profile_id = :profile_id AND key = :key AND expires_at > :now
    """
)
STORE = text(
    "UPDATE requests SET status = :status, body = :body WHERE profile_id = :profile_id AND key = :key"
)
SWEEP = text(
    """
    WITH old AS (
        SELECT profile_id, key FROM requests WHERE expires_at <= :now
        ORDER BY expires_at LIMIT :page FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM requests USING old
        WHERE requests.profile_id = old.profile_id AND requests.key = old.key RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)
