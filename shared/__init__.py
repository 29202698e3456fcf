"""Code shared by all processes: the contracts, the kit, the edge of processes with an HTTP port, membership.

May import neither `apps` nor `cli` nor `migrations`.
"""
