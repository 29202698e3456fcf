"""The HTML pages load only files next to them, and display the documents."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from apps.gateway.documents.asyncapi.document import asyncapi_document

WEB = Path(__file__).parents[2] / "web"
ASSETS = "/api/docs/assets/"
PAGES = {"/api/docs": "docs.html", "/api/asyncapi": "asyncapi.html"}
OWN = [*WEB.glob("*.html"), *(path for path in (WEB / "assets").iterdir() if path.is_file())]
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "Concord", "version": "0"},
    "paths": {
        "/api/servers": {"post": {"summary": "Create a server", "responses": {"201": {"description": "x"}}}}
    },
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|src=\"//|href=\"//|@import", text)


@pytest.mark.parametrize("page", PAGES.values())
def test_every_file_that_a_page_loads_exists(page: str) -> None:
    html = (WEB / page).read_text()
    loaded = re.findall(r"<(?:script|link)[^>]*(?:src|href)=\"([^\"]+)\"", html)
    assert len(loaded) >= 4
    for path in loaded:
        assert (WEB / "assets" / path.removeprefix(ASSETS)).is_file(), path


@pytest.mark.parametrize("page", PAGES.values())
def test_pages_have_no_inline_scripts(page: str) -> None:
    html = (WEB / page).read_text()
    assert re.findall(r"<script(?![^>]*src=)", html) == []
    assert not re.search(r"\son\w+=|javascript:", html)


def test_what_is_vendored_has_its_licence_and_loads_nothing() -> None:
    folders = [path for path in (WEB / "assets/vendor").iterdir() if path.is_dir()]
    assert {folder.name for folder in folders} == {"swagger-ui-dist-5.35.0", "asyncapi-react-component-3.2.1"}
    for folder in folders:
        assert "Apache License" in (folder / "LICENSE").read_text()
        for style in folder.glob("*.css"):
            text = style.read_text()
            assert "@import" not in text
            assert re.findall(r"url\((?![\"']?data:)[^)]*\)", text) == []
        for path in (*folder.glob("*.css"), *folder.glob("*.js")):
            assert "sourceMappingURL" not in path.read_text()


class Handler(BaseHTTPRequestHandler):
    """Serves the pages as the gateway does."""

    asked: list[tuple[str, int]]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        body, kind = self._found(path)
        status = 404 if body is None else 200
        self.asked.append((path, status))
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-security-policy", CSP)
        self.send_header("content-length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def _found(self, path: str) -> tuple[bytes | None, str]:
        if path in PAGES:
            return (WEB / PAGES[path]).read_bytes(), "text/html; charset=utf-8"
        if path == "/api/openapi.json":
            return json.dumps(OPENAPI).encode(), "application/json"
        if path == "/api/asyncapi.json":
            return json.dumps(asyncapi_document()).encode(), "application/json"
        file = WEB / "assets" / path.removeprefix(ASSETS)
        kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
        return (file.read_bytes() if file.is_file() else None), kinds.get(file.suffix, "text/plain")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    Handler.asked = asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
@pytest.mark.parametrize(
    ("page", "shown"),
    [("/api/docs", ["Create a server", "/api/servers"]), ("/api/asyncapi", ["message.send", "live-events"])],
)
def test_a_page_shows_its_document_offline(
    page: str, shown: list[str], served: tuple[str, list[tuple[str, int]]], tmp_path: Path
) -> None:
    address, asked = served
    options = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
        "--disable-dev-shm-usage --enable-logging=stderr --virtual-time-budget=20000 --dump-dom"
    )
    alone = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={tmp_path}"]
    done = subprocess.run(
        [str(CHROMIUM), *options.split(), *alone, address + page], capture_output=True, text=True, timeout=100
    )
    for text in shown:
        assert text in done.stdout
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert [path for path, status in asked if status != 200] == []
    assert len(asked) >= 6
