"""Promises: what the settings say will always be so, what breaks one, and what a person should do then.

    findings   what this machine's runs found out, in a file: of backups, checks, drills; alarms that stand; what is to be told
    judge      a pure function: what is known of a project, and now: the promises that are broken
    flags      a snapshot that lost or rewrote too much, or looks encrypted
    freeze     a flagged snapshot freezes retention, for every host, until a person accepts it
    expected   reports that should have appeared, and did not
    coverage   which packs to read tonight, so that all are read in time

Silence is never success: a promise is broken by time that passes, not by an error that somebody has to report.
"""
