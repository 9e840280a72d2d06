"""Questions in SQL that people keep, in the console's own memory.

records    a question as a value, and where it is written down
"""
