"""The health check of a container."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from cli import healthcheck


class Ready(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        body = b'{"status": "x", "parts": {"kafka": "away", "http": "ready"}}'
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("environ", [{"HEALTH_PORT": ""}, {"HEALTH_PORT": "1", "GATEWAY_PORT": ""}])
@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_it_tells_whether_the_process_is_ready(
    port: int,
    environ: dict[str, str],
    status: int,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Ready, "status", status)
    for name, value in environ.items():
        monkeypatch.setenv(name, value or str(port))
    with pytest.raises(SystemExit) as ended:
        healthcheck.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == ("" if code == 0 else "kafka: away\n")


def test_nobody_there_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEALTH_PORT", "GATEWAY_PORT"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(SystemExit) as ended:
        healthcheck.main()
    assert ended.value.code == 1
