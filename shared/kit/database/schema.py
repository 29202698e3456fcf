"""Conventions shared by the schemas of all services."""

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
    """Return empty metadata; constraints and indexes without a name get the one Postgres would give them."""
    return MetaData(naming_convention=_NAMES)


def one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    """Return a check that a column holds one of these words, or null."""
    values = ", ".join(f"'{value}'" for value in words)
    return CheckConstraint(f"{column} IN ({values})", name=column)
