"""Which job runs when. Records and the clock decide; nothing that lives in memory only matters.

parser          how often, in words or as cron; rules are the days and times, wall_clock the zone and its changes
job_policy      what else decides on a start: retries, missed due times, window, jitter, time limit
due             is a job due? A pure function of schedule, policy, runs and the moment
run_history     the runs, in a file of this machine; run is a row of it, history_writer writes it
loop            the loop that drives everything else: by `schedule`, on the monotonic clock
runner          evaluates all jobs at each tick of the loop and starts those that are due; job_state is what it knows of one
"""
