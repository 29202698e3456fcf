"""Use cases of files, such as ReceiveUpload and MakeThumbnails. Imports domain, ports and contracts."""
