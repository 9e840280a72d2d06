"""Promises: what the settings say will always be so, which alert fires when one is broken, and what a person should do then.

    state_store       what this machine's runs found out, in a file: of backups, checks, drills; firing alerts; queued messages
    alerts            a pure function: what is known of a project, and now: the alerts that fire
    anomalies         a snapshot that lost or rewrote too much, or looks encrypted; baseline is what is usual
    retention_freeze  a flagged snapshot freezes retention, for every host, until a person accepts it
    expected_files    reports that should have appeared, and did not
    check_coverage    which packs to read tonight, so that all are read in time

Silence is never success: a promise is broken by time that passes, not by an error that somebody has to report.
"""
