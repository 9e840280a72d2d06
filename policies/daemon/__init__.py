"""The daemon: runs the jobs of all projects by their schedules, in one process that itself stays small.

plan       what the settings ask of it, as values
child      a job's run is a process of its own: a command of the command line, with its answer as JSON
work       what a run's answer means; the jobs that the runner gets
known      what is known of a project, out of run history and state store, for `promises.judge`
watch      promises are judged again and again; what breaks and what is mended is told
loop       all of it together, until a signal comes
log, metrics, health, systemd, unit     what others see of it
"""
