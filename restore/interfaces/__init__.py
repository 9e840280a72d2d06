"""Records back into an interface that creates them: help desks, CRMs, whatever a description says `create` of.

scope       templates filled in with what is known of a record
references  what fields that lead to other records lead to there
comparison  what is there, beside what was to be: which children, what differs
matching    which entries of a list are meant
markers     the texts by which what was created is found again
losses      what of a record no template takes
attached    files of records, out of the snapshot
bodies      requests as the interface wants them
id_map      which record became which: durable on this machine, and a file for people
target      the interface: what is there, what it answers, what it was asked and did not answer
plan        what would be created, as a value
planner     makes it
writer      carries it out
"""
