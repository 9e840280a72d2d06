"""A settings file with a word on everything, for `strongroom settings example`."""

from __future__ import annotations

EXAMPLE = """\
# Strongroom's settings. docs/settings.md tells every one of them; `strongroom settings check` reads this file as commands do.
# No secret belongs in here: identities are files or commands, S3 credentials come from where the AWS tools find them.

[repository]
address = "s3://backups/strongroom"        # or a folder: "/srv/backup"
endpoint = "https://s3.example.org"        # an S3 server other than AWS
region = "eu-central-1"

[identity]
file = "/etc/strongroom/identity.txt"
# command = "systemd-creds cat identity"   # a command that prints it, instead of a file
# passphrase_command = "systemd-creds cat identity-passphrase"

[recovery]
recipients = []                            # `strongroom init` writes the recovery kit's public key here

# What every project has unless it says otherwise; tables are put together key by key.
[defaults]
zone = "Europe/Kyiv"                       # of periods, schedules and retention
dates = "day-first"                        # 01.02.2024 is the first of February
rpo = "2 hours"                            # no source may be without a success for longer
copy_within = "6 hours"                    # no copy may be without what the repository has for longer

[defaults.schedule]
backup = { every = "hour at :05", jitter = "10 minutes" }
check = { every = "day at 01:00", window = "22:00-06:00", all_within = "30 days" }
drill = { every = "week on sunday at 04:00" }
retention = { every = "day at 03:30" }
prune = { every = "week on saturday at 23:00", timeout = "6 hours" }
copy = { every = "hour at :35" }           # to each of [copies]

[defaults.keep]                            # which snapshots stay: any that one of these wants
within = "90 days"
daily = 366
monthly = "all"

[defaults.item_retention]                  # how long items stay that the source no longer has
reports = "7 years after period"
tickets = "5 years"
raw = "2 years"

[defaults.alerts]                          # what of a new snapshot freezes retention until a person looks
deleted_share = 0.3
rewritten_share = 0.5

[projects.parcelo]

[[projects.parcelo.sources]]
kind = "reports"
path = "/srv/clients/parcelo/reports"
exclude = ["*.tmp", "/drafts/"]
layout = "hourly/{year}/{month:02}/{day:02}/report-{hour:02}.csv"
header = true                              # the first row of a CSV names its columns; false, or their names
expected = [{ path = "hourly/**", every = "hour", grace = "30 minutes" }]

[[projects.parcelo.sources]]
kind = "tickets"
path = "/srv/clients/parcelo/tickets"
time_column = "created_at"                 # tells the period of tables whose paths tell none

[projects.mobifon]                         # another client, in another zone, with fewer backups and a longer promise
zone = "America/New_York"
rpo = "1 day"
schedule = { backup = { every = "day at 02:30, 14:30" } }
lock = { mode = "governance", days = 30 }  # Object Lock, where the bucket has it

[[projects.mobifon.sources]]
kind = "reports"
path = "/srv/clients/mobifon/reports"
expected = "daily"

[copies.offsite]                           # a second copy elsewhere; `strongroom copy` brings it up to date
address = "s3://backups-elsewhere/strongroom"
endpoint = "https://s3.example.net"

[daemon]
max_parallel = 2
metrics = "127.0.0.1:9898"
grace = "30 seconds"
log = "text"

[notify.email]
host = "mail.example.org"
from = "strongroom@example.org"
to = ["ops@example.org"]
user = "strongroom"
password_command = "systemd-creds cat mail-password"

[notify.healthchecks]
url_file = "/etc/strongroom/healthchecks-url"

[console]                                  # `strongroom console`: pages for people without a command line
listen = "0.0.0.0:8443"
url = "https://console.example.org:8443"
certificate_file = "/etc/strongroom/console.pem"
key_file = "/etc/strongroom/console.key"

[[console.roles]]                          # what nobody is given, nobody may
role = "restorer"
people = ["olena"]
groups = ["parcelo-managers"]
projects = ["parcelo"]
until = "2027-12-31"

[agent]                                    # on a host that restores for a console which cannot read content
console = "https://console.example.org"
token_file = "/etc/strongroom/agent.token"
daemon = true

[agent.folders]
Handover = "/srv/handover"

[[agent.allow]]                            # what no rule allows, nobody can ask this host for
projects = ["parcelo"]
in_place = true
folders = ["Handover"]
"""
