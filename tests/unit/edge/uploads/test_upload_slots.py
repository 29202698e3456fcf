"""Slots for uploads: bounded in total and per profile, and never all held by a few profiles."""

from contextlib import ExitStack
from uuid import UUID

import pytest

from shared.contracts.errors import ServiceError
from shared.edge.uploads.upload_slots import UploadSlots


def person(number: int) -> UUID:
    return UUID(int=number)


def taken_by(slots: UploadSlots, who: UUID, stack: ExitStack) -> str:
    try:
        stack.enter_context(slots.acquire(who))
    except ServiceError as error:
        assert error.retry_after_s == 5
        return error.code.name
    return "fine"


def test_a_slot_is_released() -> None:
    slots = UploadSlots(1, 1)
    for _ in range(2):
        with pytest.raises(KeyError), slots.acquire(person(1)):
            assert slots.in_use == 1
            raise KeyError
    assert slots.in_use == 0


def test_slots_per_profile_are_bounded() -> None:
    slots = UploadSlots(100, 2)
    with ExitStack() as stack:
        assert [taken_by(slots, person(1), stack) for _ in range(3)] == ["fine", "fine", "rate.limited"]
        assert taken_by(slots, person(2), stack) == "fine"


def test_slots_in_total_are_bounded() -> None:
    slots = UploadSlots(2, 1)
    with ExitStack() as stack:
        assert [taken_by(slots, person(who), stack) for who in range(3)] == ["fine", "fine", "mesh.busy"]


def test_a_few_greedy_profiles_leave_half_of_them() -> None:
    """Four profiles take all the slots they can get; eight others still get one each."""
    slots = UploadSlots(16, 4)
    with ExitStack() as stack:
        for _ in range(4):
            for who in range(4):
                taken_by(slots, person(who), stack)
        assert slots.in_use == 8
        assert [taken_by(slots, person(who), stack) for who in range(10, 18)] == ["fine"] * 8
        assert taken_by(slots, person(18), stack) == "mesh.busy"
