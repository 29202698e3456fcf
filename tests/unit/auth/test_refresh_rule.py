"""The refresh rule as a state machine, against a model that is a literal reading of the contract."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from hypothesis.strategies import integers, sampled_from

from apps.auth.domain.session import SUCCESSORS_MAX
from shared.contracts.errors import TOKEN_EXPIRED, TOKEN_INVALID, ErrorCode, ServiceError
from tests.unit.auth.world import World, new_memory_world


@dataclass
class Given:
    """A refresh token of the model: who it succeeds, and whether it was used and is dead."""

    text: str
    expires_at: datetime
    parent: "Given | None"
    dead: bool = False
    used: bool = False


class Model:
    """One session: `using one kills its parent and its siblings`, word for word."""

    def __init__(self, successors_max: int) -> None:
        self.given: list[Given] = []
        self.over = False
        self.successors_max = successors_max

    def add(self, text: str, expires_at: datetime, parent: Given | None) -> Given:
        self.given.append(Given(text, expires_at, parent))
        return self.given[-1]

    def use(self, token: Given, now: datetime) -> ErrorCode | None:
        """The expected result of using a token; None stands for a successor."""
        if self.over:
            return TOKEN_INVALID
        if now >= token.expires_at:
            return TOKEN_EXPIRED
        if token.dead:
            self.over = True
            return TOKEN_INVALID
        if not token.used:
            token.used = True
            for other in self.given:
                is_sibling = other.parent is token.parent and other is not token
                if other is token.parent or is_sibling:
                    other.dead = True
        if sum(other.parent is token for other in self.given) >= self.successors_max:
            self.over = True
            return TOKEN_INVALID
        return None


class RefreshRule(RuleBasedStateMachine):
    """Two sessions of one person, so that one is seen not to touch the other."""

    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world: World = self.run(new_memory_world().begin())
        self.patch = pytest.MonkeyPatch()
        self.models: tuple[Model, ...] = ()

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.patch.undo()
        self.loop.close()

    def expiry(self) -> datetime:
        return self.world.clock.now() + timedelta(days=30)

    @initialize(target=tokens, successors_max=sampled_from([1, 2, 3, SUCCESSORS_MAX]))
    def open_both(self, successors_max: int) -> Any:
        self.patch.setattr("apps.auth.usecases.token_issuing.SUCCESSORS_MAX", successors_max)
        self.models = (Model(successors_max), Model(successors_max))
        signed_up = self.run(self.world.sign_up())
        signed_in = self.run(self.world.sign_in())
        texts = (signed_up.refresh_token, signed_in.refresh_token)
        return multiple(
            *(
                (number, self.models[number].add(text, self.expiry(), None))
                for number, text in enumerate(texts)
            )
        )

    @rule(target=tokens, token=tokens)
    def refresh(self, token: tuple[int, Given]) -> tuple[int, Given]:
        number, given = token
        expected = self.models[number].use(given, self.world.clock.now())
        try:
            answer = self.run(self.world.refresh(given.text))
        except ServiceError as error:
            assert error.code is expected, (error.code, expected)
            return token
        assert expected is None, expected
        return number, self.models[number].add(answer.refresh_token, self.expiry(), given)

    @rule(days=sampled_from([1, 14, 29, 30]), seconds=integers(-1, 1))
    def time_passes(self, days: int, seconds: int) -> None:
        self.world.clock.move(days=days, seconds=seconds)

    @invariant()
    def revoked_are_those_that_are_over(self) -> None:
        revoked = {session.hex for session in self.run(self.world.revoked())}
        over = {model.given[0].text.partition(".")[0] for model in self.models if model.over}
        assert revoked == over


RefreshRule.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestRefreshRule = RefreshRule.TestCase
