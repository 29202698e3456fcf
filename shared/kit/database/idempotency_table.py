"""The table of stored responses and its statements."""

from sqlalchemy import Column, DateTime, Index, LargeBinary, MetaData, SmallInteger, Table, Uuid, text


def requests_table(metadata: MetaData) -> Table:
    """Add the table `requests` to a service's metadata.

    `key` and `fingerprint` are SHA-256 digests. `body` is the JSON of the answer or, from status 400 on, of
    the error. `status` and `body` are null only within the transaction that does the work.
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

# Waits for another transaction with the same key, then claims the row only if there is none or it expired.
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
    WITH expired AS (
        SELECT profile_id, key FROM requests WHERE expires_at <= :now
        ORDER BY expires_at LIMIT :page FOR UPDATE SKIP LOCKED
    ), swept AS (
        DELETE FROM requests USING expired
        WHERE requests.profile_id = expired.profile_id AND requests.key = expired.key RETURNING 1
    )
    SELECT count(*) FROM swept
    """
)
