"""`strongroom restore`, apart from its options.

destinations    what `--to` means: a folder, an archive, a bucket, one file, standard output
selecting       the selection: one source, versions
request         the options as values, and what they mean for tables
showing         the plan and what was done, in words and as JSON
work            what every restore has in common
runs            everything as it is: to a folder, in place, one file to a stream
giving_runs     in another shape: converted, an archive, a bucket
"""
