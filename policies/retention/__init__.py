"""Retention: what may be forgotten, when, and why the rest may not. Values in, values out: no storage, no clock.

span.py      a length of time in calendar units: "90 days", "7 years"
calendar.py  the hours, days, weeks, … of the project's time zone that snapshots fall into
rules.py     what the settings say: which snapshots are kept, and how long items are
holds.py     what holds mean for snapshots and for tables of items
judge.py     snapshots, rules, holds, now: a verdict on each snapshot, with its reasons
items.py     which vanished items the next manifest need not carry on
plan.py      a verdict as something to show, to ask about, and to do only while the world is the same
"""
