"""The backup commands of docs/operating.md make a backup that restores everything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from cli.config.ports import free_port
from cli.embedded.kafka import EmbeddedKafka
from cli.embedded.kafka_jars import JarCache
from cli.embedded.postgres_paths import wheel
from tests.e2e.concord import Concord
from tests.e2e.conftest import make_databases
from tests.e2e.people import PASSWORD, sign_up
from tests.faults.conftest import Mesh
from tests.faults.load import history_of
from tests.support.polling import eventually
from tests.support.s3 import TestedS3, s3_settings

ROOT = Path(__file__).parents[2]
SERVICES = ("gateway", "auth", "server", "message", "file")


def commands() -> tuple[str, str]:
    section = (ROOT / "docs" / "operating.md").read_text().partition("## Backup and restore")[2]
    backup, restore = re.findall(r"```bash\n(.*?)```", section.partition("\n## ")[0], re.S)
    return backup, restore.replace("concord prepare", f"{sys.executable} -m cli.main prepare")


def run(script: str, concord: Concord, backup: Path) -> None:
    path = f"{wheel() / 'pginstall' / 'bin'}:{os.environ['PATH']}"
    environ = {**concord.environ, "PATH": path, "BACKUP": str(backup), "PYTHONPATH": str(ROOT)}
    subprocess.run(["bash", "-eu", "-c", script], env=environ, check=True, timeout=90, cwd=ROOT)


def test_a_backup_restores_everything(mesh: Mesh, tmp_path: Path, jar_cache: JarCache, s3: TestedS3) -> None:
    backup, restore = commands()
    folder = tmp_path / "backup"
    folder.mkdir()
    storage = s3_settings(s3)
    mesh.concord.environ.update(storage)
    gateway, *_ = mesh.concord.start(*SERVICES)
    mesh.concord.wait_ready()
    with httpx.Client(base_url=gateway.url, timeout=20) as http:
        ada, bob = sign_up(http, "Ada"), sign_up(http, "Bob")
        server = ada.make_server()
        bob.join(server)
        channel = server["channels"][0]["id"]
        for number in range(150):
            assert bob.send(channel, f"message {number}").status_code == 201
        tea = {"file": ("a.txt", b"tea", "text/plain")}
        file = bob.post("/api/files/upload", data={"channelId": channel}, files=tea).json()["id"]
        assert bob.send(channel, "with a file", attachments=[file]).status_code == 201
        before = history_of(ada, channel)
        eventually(mesh.outboxes_empty)
        run(backup, mesh.concord, folder)
        assert bob.send(channel, "after the backup").status_code == 201
    mesh.concord.stop()
    mesh.kafka.stop()

    kafka = EmbeddedKafka(tmp_path / "kafka2", free_port(), jar_cache, tmp_path / "kafka2.log")
    kafka.start(print)
    try:
        kafka.wait_ready()
        databases = make_databases(mesh.postgres.admin_url, "restored")
        restored = Concord(tmp_path / "restored", kafka.bootstrap, databases, **storage)
        restored.folder.mkdir()
        run(restore, restored, folder)
        try:
            gateway, *_ = restored.start(*SERVICES)
            restored.wait_ready()
            with httpx.Client(base_url=gateway.url, timeout=20) as http:
                credentials = {"email": ada.profile["email"], "password": PASSWORD}
                signed_in = http.post("/api/auth/signin", json=credentials)
                assert signed_in.status_code in (200, 201)
                again = type(ada)(http, signed_in.json())
                assert history_of(again, channel) == before
                download = again.get(f"/api/files/{file}/content")
                assert httpx.get(download.headers["location"]).content == b"tea"
                sent = again.send(channel, "and on it goes")
                assert (sent.status_code, sent.json()["sequence"]) == (201, 152)
        finally:
            restored.stop()
    finally:
        kafka.stop()
