"""Routes of files, served by the file service."""

from apps.gateway.routes.route import Route
from shared.contracts.file import (
    FILE_COMPLETE,
    FILE_CREATE,
    FILE_DELETE,
    FILE_DOWNLOAD,
    FILE_GET,
    FILE_THUMBNAIL,
    FILE_UPLOAD,
    UPLOAD_PATH,
)

_TAG = "Files"
_FILE = "/api/files/{fileId}"

ROUTES = (
    Route("POST", "/api/files", FILE_CREATE, _TAG),
    Route("POST", UPLOAD_PATH, FILE_UPLOAD, _TAG),
    Route("POST", f"{_FILE}/complete", FILE_COMPLETE, _TAG),
    Route("GET", _FILE, FILE_GET, _TAG),
    Route("GET", f"{_FILE}/content", FILE_DOWNLOAD, _TAG),
    Route("GET", f"{_FILE}/thumbnail", FILE_THUMBNAIL, _TAG),
    Route("DELETE", _FILE, FILE_DELETE, _TAG),
)
