"""Retention: what may be forgotten, when, and why the rest may not. Values in, values out: no storage, no clock.

calendar_span.py a length of time in calendar units: "90 days", "7 years"
calendar.py      the hours, days, weeks, … of the project's time zone that snapshots fall into
rules.py         what the settings say: which snapshots are kept, and how long items are
holds.py         what holds mean for snapshots and for tables of items
verdict.py       snapshots, rules, holds, now: a decision on each snapshot, with its reasons; snapshot_facts from records
items.py         which vanished items the next manifest need not carry on
plan.py          a decision as something to show, to ask about, and to do only while the world is the same
"""
