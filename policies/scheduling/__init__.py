"""Which job runs when, what became of each run, and the loop that starts them.

    parser            how often, in words or as cron; rules are the days and times, wall_clock the zone and its changes
    jobs, job_policy  a job, and how it is started: missed due times, jitter, window, time limit, retries
    run_history       the runs, in a file of this machine; run is a row of it, history_writer writes it
    run_requests      runs that a person asks the daemon for
    due               a pure function of schedule, policy, runs and now: start, skip or wait
    job_state         what is known of one job, and its priority: which of several that are due starts first
    runner            evaluates all jobs at each tick and starts those that are due
    periodic_tasks    calls each task again and again, on the monotonic clock
    process_identity  which process ran something, and whether it still lives

A job is due by its recorded runs, never by a timer's memory: a restart, a sleep or a changed clock loses nothing.
"""
