"""Bounds of uploads: `IncomingBody`, `MinimumRate`, `UploadSlots`. Imports kit and contracts only."""
