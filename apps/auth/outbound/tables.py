"""Tables of the auth service. Each index serves one list, lookup or sweep."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary, Text, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.kit.database.idempotency import requests_table
from shared.kit.database.schema import new_metadata
from shared.kit.outbox.outbox import outbox_tables

metadata = new_metadata()
_TIME = DateTime(timezone=True)


class Base(SQLModel, registry=registry(metadata=metadata)):
    """Base of this service's tables: they have a metadata of their own."""


class AccountRow(Base, table=True):
    """An account. Lock this row before changing the account, its sessions or their tokens.

    `password_hash` is a PHC string of Argon2id; no answer, event or log line ever contains it.
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
    """A refresh token, stored as its SHA-256; only its owner has the token itself."""

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
    """A counter of wrong passwords; `key` is a digest of the account and the network."""

    __tablename__ = "attempts"
    __table_args__ = (Index("attempts_paid_back", "paid_back_at"),)

    key: bytes = Field(primary_key=True, sa_type=LargeBinary)
    paid_back_at: datetime = Field(sa_type=_TIME)


class KeyRow(Base):
    """The columns of a key pair; raw keys of 32 bytes each."""

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    kid: str = Field(sa_type=Text, unique=True)
    private: bytes = Field(sa_type=LargeBinary)
    public: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_type=_TIME)
    used_from: datetime = Field(sa_type=_TIME)


class SigningKeyRow(KeyRow, table=True):
    """A key that signs access tokens.

    `private` is the key in clear: anyone who can read this database, or a copy of it, can forge access tokens
    until the key is retired. Give this database a user of its own, and treat its backups as secrets. The keys
    are in the database, not in files, so that all replicas share them and rotate them together.
    """

    __tablename__ = "signing_keys"

    used_from: datetime = Field(sa_type=_TIME, sa_column_kwargs={"name": "signs_from"})


class SealingKeyRow(KeyRow, table=True):
    """A key that passwords and tokens in Kafka are sealed to.

    `private` opens everything sealed to it while Kafka keeps it: the same care applies as for signing keys.
    """

    __tablename__ = "sealing_keys"


outbox_tables(metadata)
requests_table(metadata)
