"""A host that carries out restores which people have asked for in a console that cannot read content.

client   asks the console, and believes nothing of what it answers but what can be checked
rules    what the host's own settings allow
work     one restore, from what the console said of it to its outcome
loop     asks for work again and again

Nothing here needs the packages of the console itself.
"""
