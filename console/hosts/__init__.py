"""Hosts that carry out restores which this console cannot, as it has no key to content.

records    hosts with their tokens, and leases: which of them carries out what
messages   what a host and the console say to one another

A host asks, by HTTPS and a token of its own; the console never reaches into a host. It gives one waiting restore at a time, for
as long as the host says that it is at it. See `console.gateway.hosting` for this end, `console.agent` for the other one.
"""
