"""Unit tests of the file service; they need no infrastructure."""
