"""Schedules: when a job is due, what happened to it, and the loop that starts it.

    forms      what people write, read into a Schedule; rules and walltime say which moments it means
    policy     how a job is started: catching up, jitter, window, time limit, retries
    books      what was run, in a file; records is a row of it
    due        a pure function of schedule, policy, records and now: start, skip or wait
    runner     judges all jobs at each beat of the metronome and starts those that are due

A job is due by its records, never by a timer's memory: a restart, a sleep or a changed clock loses nothing.
"""
