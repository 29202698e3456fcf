"""`python -m bench.walk`."""

from bench.walk.command import walk

if __name__ == "__main__":
    walk(prog_name="bench.walk")
