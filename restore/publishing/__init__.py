"""A folder or bucket that is kept at the current state of a project, or at another one, for Power BI and whoever else reads
files at a stable place: only what changed is written.

state            which files are the publication's own, and of which content; signed, as others can write there
place            what a place must be able to do; folder_place, bucket_place
changes          what is new, changed or gone, and what of it somebody else has written
sink, run        doing it: journal first, whole files, deletions, the state last
"""
