"""What the schemas of all services have in common."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, MetaData

_NAMES = {
    "ix": "%(table_name)s_%(column_0_N_name)s",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


def new_metadata() -> MetaData:
    """No table yet. What has no name of its own is named as Postgres would name it."""
    return MetaData(naming_convention=_NAMES)


def one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    """The check that a column holds one of these words, or null."""
    listed = ", ".join(f"'{value}'" for value in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
