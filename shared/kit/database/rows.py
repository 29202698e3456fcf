"""Typed selects of whole rows, by the table classes of SQLModel."""

from typing import TypeVar

from sqlmodel import SQLModel, select
from sqlmodel.sql.expression import SelectOfScalar

R = TypeVar("R", bound=SQLModel)


def select_rows(row_class: type[R]) -> SelectOfScalar[R]:
    """Return `SELECT` of all columns of a table.

    A row that is read twice in one transaction is refreshed from the database: what was read before a lock
    must not be served from the session's identity map after it.
    """
    return select(row_class).execution_options(populate_existing=True)
