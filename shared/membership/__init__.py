"""How a service that has no members of its own knows who may see which channel. Pure rules.

It keeps a copy of the server service's facts from events, and asks when that copy does not know
(docs/adr/0007-membership-by-events-and-calls.md). Their adapters are `shared/kit/member_*.py`.
"""
