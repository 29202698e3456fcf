"""The schema of the auth service. Each index stands behind one list, lookup or sweep."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary, Table, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.kit.database.idempotency import requests_table
from shared.kit.database.schema import new_metadata
from shared.kit.outbox.outbox import outbox_tables

metadata = new_metadata()
_TIME = DateTime(timezone=True)


class Base(SQLModel, registry=registry(metadata=metadata)):
    """Tables of this service alone."""


class AccountRow(Base, table=True):
    """An account. Whoever changes it, its sessions or their tokens locks this row first.

    `password_hash` is a PHC string of Argon2id, which no answer, event or log line ever holds.
    """

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("char_length(name) BETWEEN 1 AND 32", name="name"),)

    id: UUID = Field(primary_key=True)
    name: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text, unique=True)
    image_url: str | None = Field(sa_type=Text)
    password_hash: str = Field(sa_type=Text)
    password_changed_at: datetime = Field(sa_type=_TIME)
    password_changed_by: str | None = Field(sa_type=Text)
    revision: int = Field(sa_type=BigInteger)
    created_at: datetime = Field(sa_type=_TIME)
    updated_at: datetime = Field(sa_type=_TIME)


class SessionRow(Base, table=True):
    """A session; `current` is the digest of the refresh token used last."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index(
            "sessions_of_profile",
            "profile_id",
            "last_used_at",
            "id",
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "sessions_opened_by",
            "profile_id",
            "opened_by",
            unique=True,
            postgresql_where=text("opened_by IS NOT NULL"),
        ),
        Index(
            "sessions_opened_from",
            "profile_id",
            "network",
            postgresql_where=text("network IS NOT NULL"),
        ),
        Index("sessions_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        Index("sessions_expired", "expires_at"),
    )

    id: UUID = Field(primary_key=True)
    profile_id: UUID = Field(foreign_key="accounts.id")
    user_agent: str | None = Field(sa_type=Text)
    network: str | None = Field(default=None, sa_type=Text)
    opened_by: str | None = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=_TIME)
    last_used_at: datetime = Field(sa_type=_TIME)
    expires_at: datetime = Field(sa_type=_TIME)
    ended_at: datetime | None = Field(sa_type=_TIME)
    generation: int = Field(sa_type=BigInteger)
    current: bytes | None = Field(sa_type=LargeBinary)


class RefreshTokenRow(Base, table=True):
    """A refresh token by its SHA-256; the token itself is known to its owner alone."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("refresh_tokens_of_session", "session_id", "generation"),
        Index("refresh_tokens_expired", "expires_at"),
    )

    session_id: UUID = Field(primary_key=True, foreign_key="sessions.id")
    digest: bytes = Field(primary_key=True, sa_type=LargeBinary)
    generation: int = Field(sa_type=BigInteger)
    given_to: str | None = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=_TIME)
    expires_at: datetime = Field(sa_type=_TIME)


class AttemptRow(Base, table=True):
    """How many wrong passwords there were, by a digest of what they were tried at."""

    __tablename__ = "attempts"
    __table_args__ = (Index("attempts_paid_back", "paid_back_at"),)

    key: bytes = Field(primary_key=True, sa_type=LargeBinary)
    paid_back_at: datetime = Field(sa_type=_TIME)


class SigningKeyRow(Base, table=True):
    """A key that access tokens are signed with.

    `private` is the key itself: whoever can read this database, or a copy of it, can make access tokens
    for anyone until the key is gone. Give this database a user of its own, and treat its backups as
    secrets. What stands here instead of in files is that all replicas share it and rotate it together.
    """

    __tablename__ = "signing_keys"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kid: str = Field(sa_type=Text, unique=True)
    private: bytes = Field(sa_type=LargeBinary)
    public: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_type=_TIME)
    signs_from: datetime = Field(sa_type=_TIME)


class SealingKeyRow(Base, table=True):
    """A key that passwords and tokens in Kafka are sealed to.

    `private` opens what was sealed to it, for as long as Kafka has it; so the same holds as for signing keys.
    """

    __tablename__ = "sealing_keys"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kid: str = Field(sa_type=Text, unique=True)
    private: bytes = Field(sa_type=LargeBinary)
    public: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_type=_TIME)
    used_from: datetime = Field(sa_type=_TIME)


outbox_tables(metadata)
requests_table(metadata)

accounts: Table = metadata.tables["accounts"]
sessions: Table = metadata.tables["sessions"]
refresh_tokens: Table = metadata.tables["refresh_tokens"]
attempts: Table = metadata.tables["attempts"]
signing_keys: Table = metadata.tables["signing_keys"]
sealing_keys: Table = metadata.tables["sealing_keys"]
