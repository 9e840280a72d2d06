"""The log of a repository: what was done, by whom, in a signed chain of entries for each principal.

own_chain    what this machine keeps of the chain that it writes: entries that wait, what is under way
draft        what is under way, before it is an entry
writer       entries of this machine: sealed, chained, stored
entries      the entries that the store has: listed, read
stamps       time stamps of entries: listed, read, written
verify       whether the chains are whole
"""
