"""Which job runs when, what became of each run, and the loop that starts them.

    parser          how often, in words or as cron; rules are the days and times, wall_clock the zone and its changes
    job_policy      how a job is started: missed due times, jitter, window, time limit, retries
    run_history     the runs, in a file of this machine; run is a row of it, history_writer writes it
    due             a pure function of schedule, policy, runs and now: start, skip or wait
    loop            calls each task again and again, on the monotonic clock
    runner          evaluates all jobs at each tick of the loop and starts those that are due; job_state is what it knows of one

A job is due by its recorded runs, never by a timer's memory: a restart, a sleep or a changed clock loses nothing.
"""
