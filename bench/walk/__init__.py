"""The walk: count files and frames that one call enters in every process. Imports cli and bench."""
