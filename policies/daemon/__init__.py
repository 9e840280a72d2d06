"""The daemon: runs the jobs of all projects by their schedules, in one process that itself stays small.

job_config               what the settings ask of it, as values
child_processes    a job's run is a process of its own: a command of the command line, with its answer as JSON
job_results        what a run's answer means; the jobs that the runner gets
project_state      what is known of a project, from the run history and the state store, for `monitoring.alerts.evaluate`
log_heads          the heads of the log: to people once a week, stamped once a day
alert_monitor      evaluates the alerts again and again, and notifies of those that begin to fire or are resolved
daemon               all of it together, until a signal comes
log, metrics, health, heartbeat, systemd, systemd_unit     what others see of it
"""
