"""Schedules, retention, holds and the daemon.

This floor decides *when* and *how long*; it may use the vault and never the restore floor, and whatever it needs from there
is handed to it as a callable by `strongroom`.
"""
