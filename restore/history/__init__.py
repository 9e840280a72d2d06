"""What became of items over all snapshots: which there ever were, every version of one, what differs between two moments.

    manifests   the manifests of many snapshots, one after another: of each only the chunks that the one before has not
    versions    a manifest as rows that can be compared with those of another
    ledger      rows that were equal from snapshot to snapshot, folded into one with the first and the last of them
    cache       the ledgers of a project as a sealed local file, so that the next question reads new snapshots only
    update      brings them up to date with what the store has; rollup saves others the reading

    find        each item that ever was, summed up           from ledgers
    events      what happened to an item, and when           from ledgers
    diff        between two moments                          from ledgers
    live_diff   between a moment and the source's folder     from one manifest and a scan
    table_diff  rows and cells of two versions of a table    from their content

A thousand hourly snapshots of 20,000 items are 20 million rows; the ledger holds as many as there were versions.
"""
