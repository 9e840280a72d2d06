"""What is in an item, for a browser, whoever wrote it: nothing of it is executed, and time and memory are bounded.

    sorts       which sort of preview an item has, by its first bytes; types that a browser may be given
    pictures    the measures of a picture by its header
    worker      a process without keys that opens tables and messages, with little memory
    workers     these processes: started ahead, ended when they take too long

Content goes into pages as escaped text alone. The bytes themselves are given for a few types of pictures, sound, film and PDF,
named by what they begin with, below a policy of their own that allows nothing.
"""
