"""The one exception that ends a command with a sentence instead of a traceback."""


class ConcordError(Exception):
    """Something that the user can put right; its text is a whole sentence that names the way out."""
