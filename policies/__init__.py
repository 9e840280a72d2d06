"""When something is done, how long something is kept, and who is notified.

    scheduling      schedules, the runs of jobs, what is due
    retention       which snapshots stay, and why
    monitoring      alerts, anomalies in new snapshots, reports that are missing
    notifications   messages to people and programs, when an alert fires and when it is resolved
    daemon          one process that runs all of it

It may use `vault` and never `restore`; whatever it needs from there is handed to it as a callable by `strongroom`.
"""
