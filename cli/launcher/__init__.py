"""The life of `concord up`: `Stack` starts, supervises and stops.

Imports embedded, config, processes and the kit.
"""
