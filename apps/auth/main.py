"""The auth service: what it is made of, from top to bottom."""

import os

from apps.auth.inbound.kafka import answer_all
from apps.auth.outbound.access_tokens import JwtAccessTokens
from apps.auth.outbound.accounts import SqlProfileReader
from apps.auth.outbound.key_generator import Ed25519KeyGenerator, X25519KeyGenerator
from apps.auth.outbound.keys import stored_sealing_keys, stored_signing_keys
from apps.auth.outbound.passwords import ArgonPasswords
from apps.auth.outbound.retention import SqlExpiredRows
from apps.auth.outbound.sealing import SealingKeys
from apps.auth.outbound.unit_of_work import sql_unit_of_work_factory
from apps.auth.settings import AuthSettings
from apps.auth.usecases.rotate_keys import rotate_keys
from apps.auth.usecases.sweep import sweep
from apps.auth.usecases.token_issuing import Issuer
from shared.kit.config.settings import load
from shared.kit.database.idempotency import sweep_requests
from shared.kit.runtime.service import run_service
from shared.kit.runtime.service_context import ServiceContext
from shared.kit.runtime.startup import retry_until_available

SWEEP_REQUESTS_S = 60


async def build(context: ServiceContext[AuthSettings]) -> None:
    """Put the service together; nothing is consumed before this is done."""
    settings, clock = context.settings, context.clock
    keys, sessions = settings.key_policy(), settings.session_policy()
    database = await context.open_database(settings.auth_database_url)
    await context.start_outbox(database)
    access = JwtAccessTokens(settings.token_terms(), keys, clock, context.ids)
    passwords = ArgonPasswords(settings.hash_threads, settings.hash_queue_max)
    context.on_stop(passwords.close)

    sealing_policy = settings.sealing_policy()
    sealing = SealingKeys(context.encryption, sealing_policy, clock)

    async def rotate() -> None:
        await rotate_keys(stored_signing_keys(database), Ed25519KeyGenerator(), access, keys, clock)
        await rotate_keys(stored_sealing_keys(database), X25519KeyGenerator(), sealing, sealing_policy, clock)

    await retry_until_available(context.health.component("keys"), rotate)

    units = sql_unit_of_work_factory(database, clock, context.ids)
    issuer = Issuer(access=access, clock=clock, ids=context.ids, policy=sessions)
    attempts, reader = settings.attempt_policy(), SqlProfileReader(database)
    answer_all(context.handlers, units, passwords, reader, issuer, attempts, sealing)

    context.every(settings.key_refresh_s, rotate)
    context.every(settings.sweep_s, lambda: sweep(SqlExpiredRows(database), sessions, clock))
    context.every(SWEEP_REQUESTS_S, lambda: sweep_requests(database, clock))


def main() -> None:
    """Run until SIGTERM."""
    run_service("auth", load(AuthSettings, os.environ), build)


if __name__ == "__main__":
    main()
