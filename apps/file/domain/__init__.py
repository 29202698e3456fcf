"""Pure rules of files: FileRecord, Allowance, media types, thumbnails.

Imports contracts and `shared.membership.access` only.
"""
