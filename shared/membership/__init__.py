"""Membership checks for services that have no members of their own (message and file). Pure rules.

The service keeps a local copy of channels and members from the server service's events, and calls the server
service if the copy denies access (docs/adr/0007-membership-by-events-and-calls.md). Entry points:
`apply_event`, `MembershipResolver`, `with_fresh_membership`. It imports contracts only; `adapters` may import
the kit.
"""
