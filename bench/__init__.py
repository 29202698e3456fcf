"""Load on a running Concord, over HTTP, with everything switched on; `python -m bench --help`."""
