"""Counts the files of the project that one request enters, in every process."""
