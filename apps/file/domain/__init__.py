"""Pure rules of files: FileRecord, Allowance, media types, thumbnails. Imports contracts only."""
