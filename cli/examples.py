"""Examples of every command, shown at the beginning of its help. A test parses each of them."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """A command line, and what it does."""

    command: str
    explanation: str


def _of(*pairs: tuple[str, str]) -> tuple[Example, ...]:
    return tuple(Example(f"strongroom {line}".rstrip(), does) for line, does in pairs)


EXAMPLES: dict[str, tuple[Example, ...]] = {
    "": _of(
        ("status", "is everything backed up?"),
        ("restore acme --period last-month --to /tmp/acme", "last month's files of the project acme, to a folder"),
        ("help restore", "the help of a command, with examples"),
    ),
    "init": _of(
        ("init /srv/backup --recovery-kit /media/usb/kit.txt", "a repository in a folder, the recovery kit on a stick"),
        (
            "init /srv/backup --shares 3 --threshold 2 --recovery-kit /media/usb/kit.txt",
            "the kit in three pieces, of which any two open everything",
        ),
        ("init s3://backups/strongroom --region eu-central-1", "a repository in a bucket of AWS"),
        (
            "init s3://backups/strongroom --endpoint https://minio.example.com --path-style",
            "a repository on another S3 server",
        ),
    ),
    "join": _of(
        ("join s3://backups/strongroom --name backup1", "on a second machine: settings, an identity, what to send to whom"),
        ("join /srv/backup --config /etc/strongroom/strongroom.toml --identity /etc/strongroom/identity.txt", "for a service"),
    ),
    "project": _of(
        ("project list", "the projects that your identity opens"),
        ("project add acme --source reports=/srv/acme/reports", "a new one, with one folder of reports"),
        ("project erase acme --reason 'contract ended'", "ask for everything of it to be destroyed; another person approves"),
    ),
    "source": _of(
        ("source list", "where items come from"),
        ("source test acme calls", "connect, and show what a backup would take"),
    ),
    "source add": _of(
        ("source add acme reports /srv/acme/reports", "a folder"),
        (
            "source add acme raw 'command:pg_dump -Fc crm' --name crm-dump --option item=crm.dump",
            "what a command prints, as one item",
        ),
    ),
    "source list": _of(
        ("source list", "of all projects"),
        ("source list acme --json", "of one, for a script"),
    ),
    "source test": _of(
        ("source test acme", "all sources of a project"),
        ("source test acme calls --json", "one of them, for a script"),
    ),
    "recover": _of(
        ("recover s3://backups/strongroom?endpoint=https://s3.example.org", "type the kit; what will be done is shown first"),
        ("recover /srv/backup --kit share-1.txt --kit share-3.txt --dry-run", "what would be done, with two shares"),
        (
            "recover s3://backups/strongroom --kit kit.txt --in-place --yes",
            "without a terminal: identity, settings, and everything back in place",
        ),
    ),
    "keys kit": _of(
        ("keys kit --to /media/usb/kit.txt --html /media/usb/kit.html", "as plain text, and as a page to be printed"),
        ("keys kit --shares 3 --threshold 2 --to /media/usb/kit.txt", "in three pieces, of which any two open everything"),
        ("keys kit --existing kit.txt", "seal to a kit what it does not open yet"),
    ),
    "keys check": _of(
        ("keys check", "type the kit off the paper"),
        ("keys check --kit kit.txt", "a kit in one piece, from a file"),
        ("keys check --kit share-1.txt --kit share-3.txt --json", "shares, for a script"),
    ),
    "keys": _of(
        ("keys new", "an identity for this machine or person"),
        ("keys list", "who holds keys of which project"),
        ("keys grant backup1.pub --name backup1 --project acme --as write", "let a host back up, and read nothing"),
        ("keys check --kit kit.txt", "does the recovery kit still open everything?"),
    ),
    "keys new": _of(
        ("keys new --passphrase", "your own identity, encrypted with a passphrase"),
        ("keys new --identity /etc/strongroom/identity.txt --name backup1", "a host's"),
        (
            "keys new --store-command 'pass insert -m strongroom' --command 'pass show strongroom'",
            "kept by a password manager, in no file",
        ),
    ),
    "keys show": _of(
        ("keys show", "what to send to whoever grants"),
        ("keys show --identity /etc/strongroom/identity.txt --json", "of another identity, for a script"),
    ),
    "keys list": _of(
        ("keys list", "who may do what, in all projects"),
        ("keys list acme --all --json", "of one project, with those whose time is over, for a script"),
    ),
    "keys grant": _of(
        ("keys grant backup1.pub --name backup1 --project acme --as write", "let a host back up, and read nothing"),
        ("keys grant anna.pub --name anna --all-projects --as read --as audit", "a colleague who may do everything"),
        (
            "keys grant audit.pub --name 'Smith & Co' --project acme --as audit --catalogue --until 2027-03-31",
            "an auditor: the log and names, no content, for a while",
        ),
    ),
    "keys revoke": _of(
        ("keys revoke anna", "everything that anna holds, in all projects"),
        ("keys revoke backup1 --project acme --reason 'stolen' --yes", "in one project, without a question"),
    ),
    "keys rotate": _of(
        ("keys rotate acme --dry-run", "who would go on, and who would not"),
        ("keys rotate acme", "new keys for what comes, after somebody has left"),
        ("keys rotate acme --reseal --max-time 60 --max-bytes 50G --yes", "at night: re-encrypt old packs, a part at a time"),
    ),
    "keys upgrade": _of(
        ("keys upgrade --dry-run", "what would be changed in a repository of an earlier version"),
        (
            "keys upgrade --identity ~/.config/strongroom/identity.txt --identity kit.txt",
            "with the recovery kit, so that it can grant as well",
        ),
    ),
    "settings": _of(
        ("settings check", "is the settings file right?"),
        ("settings show --origin", "what applies, and where it comes from"),
    ),
    "retention": _of(
        ("retention plan", "what would go, and why"),
        ("retention apply acme", "show the plan, ask, and forget"),
    ),
    "hold": _of(
        ("hold list", "the holds that bind"),
        ("hold add acme --period 2026-03 --reason 'case 17'", "nobody may forget anything about March"),
    ),
    "project add": _of(
        ("project add acme --source reports=/srv/acme/reports", "a project with one folder of reports"),
        (
            "project add acme --source reports=/srv/acme/reports --source tickets=/srv/acme/tickets --exclude '*.tmp'",
            "several sources, without temporary files",
        ),
        (
            "project add acme --source raw=/srv/acme/calls --layout '{year}/{month:02}/{day:02}.csv' --zone Europe/Kyiv",
            "say how paths name their period, and in which time zone",
        ),
    ),
    "project list": _of(
        ("project list", "the projects of the settings' repository that your identity opens"),
        (
            "project list --repository s3://backups/strongroom --identity kit.txt",
            "on a new machine: what the recovery kit opens",
        ),
    ),
    "project show": _of(
        ("project show acme", "its sources, schedule, retention, snapshots, holds"),
        ("project show acme --json", "for a script"),
    ),
    "project rename": _of(
        ("project rename acme acme-ltd --dry-run", "show what would change"),
        ("project rename acme acme-ltd", "another name; all snapshots stay"),
    ),
    "project move-source": _of(
        (
            "project move-source acme reports /srv/new/reports --dry-run",
            "how much of it is at the new place under the same names",
        ),
        ("project move-source acme reports /srv/new/reports", "back up the folder at its new place, with its history"),
    ),
    "project erase": _of(
        ("project erase acme --reason 'contract ended' --dry-run", "what there is, and what stands against it"),
        ("project erase acme --reason 'contract ended'", "ask for it; nothing is erased yet"),
        ("project erase acme --approve", "another person agrees, with an identity of their own"),
        ("project erase acme --act act-of-destruction", "erase it, and write the act of destruction"),
    ),
    "snapshot": _of(
        ("snapshot show acme latest", "everything about the newest snapshot"),
        ("snapshot accept acme --reason 'they moved the archive'", "retention goes on after a flagged snapshot"),
    ),
    "snapshot show": _of(
        ("snapshot show acme latest", "when, what is in it, what changed, why it is kept"),
        ("snapshot show acme '3 days ago' --json", "the newest one of that moment, for a script"),
    ),
    "snapshot accept": _of(
        ("snapshot accept acme --reason 'they moved the archive'", "show what changed, ask, and let retention go on"),
        ("snapshot accept acme --reason 'they moved the archive' --yes", "without a question, for a script"),
    ),
    "backup": _of(
        ("backup", "every source of every project"),
        ("backup acme --source reports", "one source of one project"),
        ("backup --quiet --json", "for a script: one JSON document, no progress"),
    ),
    "list": _of(
        ("list", "the snapshots of all projects"),
        ("list acme --json", "those of one project, for a script"),
    ),
    "ls": _of(
        ("ls acme --kind reports --period 2026-03", "the reports about March, as they are in the newest snapshots"),
        ("ls acme reports/daily --at '3 days ago'", "a folder as it was three days ago"),
        ("ls acme --deleted", "what the source no longer has"),
    ),
    "find": _of(
        ("find acme invoice", "every item that ever had `invoice` in its path"),
        ("find acme '*.xlsx' --deleted", "workbooks that are gone from the source"),
        ("find acme --kind reports --since 2026-01-01 --until 2026-03-31", "what the snapshots of three months had"),
        ("find acme --record c-1f09 --key call_id", "where a call is: its record, and its recordings by their names"),
    ),
    "history": _of(
        ("history acme reports/2026/summary.csv", "every version of a file: when, how large, in which snapshot"),
        ("history acme 'reports/**/summary_*.csv' --since '30 days ago'", "of several files, what happened in the last days"),
        ("history acme tickets --record 4711", "every version of a ticket with its comments, field by field"),
    ),
    "diff": _of(
        ("diff acme --since '7 days ago'", "what was created, changed and deleted in the last week"),
        ("diff acme --since yesterday --live", "compare yesterday's state with the folder as it is now"),
        ("diff acme reports/calls.csv --since 2026-11-01 --rows --key call_id", "which rows and cells of a table changed"),
    ),
    "restore": _of(
        ("restore acme --period 2026-03 --to /tmp/march", "everything about March, to a folder"),
        (
            "restore acme --kind reports --deleted --in-place --dry-run",
            "show what would bring deleted reports back to where they were",
        ),
        ("restore acme reports/calls.csv --at '3 days ago' --to -", "one file as it was three days ago, to stdout"),
        (
            "restore acme --kind reports --period 2026-Q3 --as xlsx --to q3.zip",
            "a quarter's tables as workbooks, in an archive",
        ),
    ),
    "query": _of(
        ("query acme --tables", "which tables there are, and their columns"),
        ("query acme 'select count(*) from calls' --period 2026-03", "a question to what is about March"),
        (
            "query acme 'select * from calls' --at 2026-10-31 --as parquet --to calls.parquet",
            "all rows of a past state, to a file",
        ),
    ),
    "export": _of(
        ("export acme --period 2026-Q3 --to /srv/audit.zip --reason 'audit 17'", "a quarter in a bag with checksums"),
        ("export acme --kind reports --as xlsx --to /srv/audit", "reports as workbooks, in a folder"),
        ("export acme --period 2026 --to /srv/audit --dry-run", "show what would be in it"),
    ),
    "publish": _of(
        ("publish acme --kind tickets --as parquet --to /srv/bi", "tables of the current state, for Power BI"),
        ("publish acme --kind raw --as csv --to s3://bi/acme --include-deleted", "to a bucket, with rows of deleted items"),
        ("publish acme --name bi --dry-run", "what would be done for a publication of the settings"),
    ),
    "settings check": _of(
        ("settings check", "is the settings file right, and does anything look odd?"),
        ("settings check --config new.toml --json", "another file, for a script"),
    ),
    "settings show": _of(
        ("settings show", "every setting that applies"),
        ("settings show --origin", "and where each comes from"),
    ),
    "settings example": _of(
        ("settings example", "a settings file with a word on everything"),
        ("settings example > strongroom.toml", "a file to begin with"),
    ),
    "settings edit": _of(
        ("settings edit", "open the file in your editor, and put it in place only if it can be used"),
        ("settings edit --config /etc/strongroom/strongroom.toml", "another file"),
    ),
    "settings migrate": _of(
        ("settings migrate --dry-run", "show which settings have another name now"),
        ("settings migrate", "rename them in the file; comments and layout stay"),
    ),
    "settings restore": _of(
        ("settings restore --repository s3://backups/strongroom --identity kit.txt", "on a new machine, with the recovery kit"),
        ("settings restore --list --repository /srv/backup", "which copies there are"),
        ("settings restore --at '3 days ago' --to old.toml", "as the settings were three days ago"),
    ),
    "status": _of(
        ("status", "every source: its last snapshot, its age, what is wrong"),
        ("status --json", "the same for a program; exit code 3 where something is wrong"),
        ("status --all", "with a table of every source and project"),
    ),
    "retention plan": _of(
        ("retention plan", "what would go and what would stay, and why"),
        ("retention plan acme --all", "every snapshot of one project"),
        ("retention plan acme --on 2027-01-01", "what would still be there on that day"),
    ),
    "retention apply": _of(
        ("retention apply acme", "show the plan, ask, and forget"),
        ("retention apply --yes", "for a script: all projects, without a question"),
        ("retention apply acme --plan 3f9a1c --yes", "only if nothing has changed since that plan was shown"),
    ),
    "retention log": _of(
        ("retention log", "who forgot what, when and why"),
        ("retention log acme --all", "every snapshot by its id"),
    ),
    "retention accept-loss": _of(
        (
            "retention accept-loss acme 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'disk lost in the fire'",
            "go on without a snapshot that is lost",
        ),
        (
            "retention accept-loss acme 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'disk lost' --grace '30 days'",
            "and let no prune delete a pack for 30 days",
        ),
    ),
    "hold add": _of(
        ("hold add acme --period 2026-03 --reason 'case 17'", "nobody may forget anything about March"),
        ("hold add acme --kind raw --until 2027-12-31 --reason 'tax audit'", "raw data, until a day"),
        ("hold add acme --snapshot 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'case 17'", "one snapshot as a whole"),
    ),
    "hold release": _of(
        ("hold release acme 3f9a1c --reason 'case 17 is closed'", "the hold whose id begins so"),
        ("hold release acme 3f9a1c --reason 'case 17 is closed' --json", "for a script"),
    ),
    "hold list": _of(
        ("hold list", "the holds that bind, of all projects"),
        ("hold list acme --all", "those that have ended too"),
    ),
    "forget": _of(
        ("forget acme 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'taken of the wrong folder'", "one snapshot"),
        (
            "forget acme 20261101t020000z-3f9a1c0b7d5e2a48 --reason 'wrong folder' --newest-too --yes",
            "even if it is the newest",
        ),
    ),
    "prune": _of(
        ("prune --dry-run", "what would be deleted, and what it would free"),
        ("prune acme --yes", "one project, without a question"),
        ("prune --max-time 60 --max-bytes 50G", "at night: for an hour, and not more than 50 GiB"),
    ),
    "copy": _of(
        ("copy", "bring all copies that the settings name up to date"),
        ("copy offsite --dry-run", "what one of them lacks"),
        (
            "copy offsite --max-time 300 --max-bytes 200G",
            "the first time over a slow line: night after night, until it is done",
        ),
    ),
    "check": _of(
        ("check", "is everything there that a snapshot needs?"),
        ("check acme --read-data", "read every pack of a project, and compare every chunk"),
        ("check --read-data=10%", "read a share, so that run after run everything is read"),
    ),
    "repair": _of(
        ("repair --dry-run", "what is damaged, where the truth still is, and what nobody has"),
        ("repair acme --read-data", "read all packs of a project first, then mend"),
        ("repair acme --drop --reason 'the disk of May'", "give up what nobody has, so that the rest is sound"),
    ),
    "evidence": _of(
        ("evidence --period last-quarter --to evidence.zip", "everything about all projects, of the last quarter"),
        ("evidence acme --period 2026-Q4 --to acme-q4.zip", "of one project"),
    ),
    "export verify": _of(
        ("export verify audit.zip", "checksums and signature, and the content by the repository at hand"),
        ("export verify audit.zip --offline --allowed-signers signers", "the bag alone, by a list of who may have signed it"),
    ),
    "audit": _of(
        ("audit show acme --since 7d", "what was done to the project acme in a week"),
        ("audit verify", "is the log whole?"),
    ),
    "audit show": _of(
        ("audit show acme", "the newest entries about the project acme"),
        ("audit show --action restore --action export --since 30d", "who took what out of the store"),
        ("audit show --result refused", "what was refused"),
    ),
    "audit verify": _of(
        ("audit verify", "every chain of the log"),
        ('audit verify --head "$HEAD"', "that the chain still has the entry which a message named"),
    ),
    "audit export": _of(
        ("audit export --to log.jsonl", "all of it, each entry with its signature"),
        ("audit export acme --since 2026-10-01 --until 2027-01-01 --to log.csv", "a quarter of one project, for people"),
    ),
    "audit heads": _of(
        ("audit heads", "the newest entry of every chain, to be kept elsewhere"),
        ("audit heads --json", "the same for a script"),
    ),
    "audit stamp": _of(
        ("audit stamp", "have the newest entries stamped by the authority of the settings"),
        ("audit stamp acme", "the same, for the auditors of one project to read"),
    ),
    "drill": _of(
        ("drill", "restore a sample of each project and compare every byte"),
        ("drill acme --json", "one project, for a script"),
    ),
    "daemon": _of(
        ("daemon", "run all jobs by their schedules, until it is stopped"),
        ("daemon --once", "run what is due now, and end: for cron"),
        ("daemon --systemd", "a unit for systemd, on stdout"),
    ),
    "console": _of(
        ("console", "where the settings say: else at http://127.0.0.1:8440"),
        ("console --listen 127.0.0.1:9000", "elsewhere"),
        ("console --systemd", "a unit for systemd, on stdout"),
    ),
    "console agent": _of(
        (
            "console agent --console https://console.example.org --token-file /etc/strongroom/agent.token",
            "carry out what people ask for there, until it is ended",
        ),
        ("console agent --once", "carry out what waits now, by the settings, for cron"),
        ("console agent --once --project acme --json", "of one project, for a script"),
    ),
    "console host": _of(
        ("console host add backup1 --project acme --until 2027-03-31", "a token for a host, shown this once"),
        ("console host list", "who asked for work when"),
    ),
    "console host add": _of(
        ("console host add backup1 --project acme --until 2027-03-31", "it may take restores of one project"),
        ("console host add backup1 --project 'acme-*' --project parcelo --until 2027-03-31 --json", "of several, for a script"),
    ),
    "console host list": _of(
        ("console host list", "names, projects, when they asked for work"),
        ("console host list --json", "for a script"),
    ),
    "console host remove": _of(
        ("console host remove backup1", "its token ends at once"),
        ("console host remove backup1 --yes", "without a question, for a script"),
    ),
    "console user": _of(
        ("console user add olena --group parcelo-managers", "an account; its password is asked for"),
        ("console user list", "who has one"),
    ),
    "console user add": _of(
        ("console user add olena --title 'Olena Koval' --group parcelo-managers", "the password is asked for"),
        ("console user add robot --password-file /run/secrets/robot", "it is read from a file"),
    ),
    "console user list": _of(
        ("console user list", "names, groups, second factors"),
        ("console user list --json", "for a script"),
    ),
    "console user groups": _of(
        ("console user groups olena --group parcelo-managers", "from the next request on"),
        ("console user groups olena", "none any more"),
    ),
    "console user remove": _of(
        ("console user remove olena", "with its sessions and tokens"),
        ("console user remove olena --yes", "without a question"),
    ),
    "console user passwd": _of(
        ("console user passwd olena", "another password; it is asked for"),
        ("console user passwd olena --password-file -", "it is read from standard input"),
    ),
    "console user reset-totp": _of(
        ("console user reset-totp olena", "her telephone is lost"),
        ("console user reset-totp boris --config /etc/strongroom/strongroom.toml", "of another settings file"),
    ),
    "console user reset-passkeys": _of(
        ("console user reset-passkeys olena", "her telephone is lost"),
        ("console user reset-passkeys boris --config /etc/strongroom/strongroom.toml", "of another settings file"),
    ),
    "daemon run": _of(
        ("daemon run backup acme", "back up one project now, as the daemon would"),
        ("daemon run drill", "the restore test of every project, now"),
    ),
    "daemon jobs": _of(
        ("daemon jobs", "every job: when it ran last, what came of it, when it is next"),
        ("daemon jobs --json", "for a script"),
    ),
    "daemon logs": _of(
        ("daemon logs backup --lines 50", "what the last backups said"),
        ("daemon logs --follow", "what runs say, until Ctrl-C"),
    ),
    "test-restore": _of(
        ("test-restore", "back up every source to a throw-away folder, restore and compare each byte"),
        ("test-restore acme --into moto --junit restores.xml", "through an S3 server of its own, with a report for CI"),
    ),
    "cache": _of(
        ("cache info", "what this machine keeps of which repository"),
        ("cache clear --dry-run", "show what would go"),
    ),
    "cache info": _of(
        ("cache info", "by repository: what, how much, how old"),
        ("cache info --json", "for a script"),
    ),
    "cache clear": _of(
        ("cache clear --dry-run", "show what would go"),
        ("cache clear --all", "of every repository; the next commands fetch what they need again"),
    ),
    "support-bundle": _of(
        ("support-bundle --list", "what would be in it"),
        ("support-bundle support.zip", "pack it: no secrets, no names of items"),
    ),
    "doctor": _of(
        ("doctor", "probe the repository of the settings"),
        ("doctor s3://backups/strongroom --endpoint https://minio.example.com", "a bucket, before a repository is made there"),
    ),
    "demo": _of(
        ("demo", "a loss and its recovery, in less than a minute"),
        ("demo --console", "its pages in a browser, over a contact centre that has lost a folder"),
        ("demo --keep --years 1", "leave the folder, to look around in it"),
    ),
    "completion": _of(
        ("completion bash > ~/.local/share/bash-completion/completions/strongroom", "for bash, from the next shell on"),
        ("completion zsh > ~/.zfunc/_strongroom", "for zsh, where ~/.zfunc is in $fpath before compinit"),
        ("completion fish > ~/.config/fish/completions/strongroom.fish", "for fish"),
    ),
    "schema": _of(
        ("schema", "the names of all schemas"),
        ("schema strongroom.backup/1", "what `backup --json` prints, as a JSON Schema"),
    ),
    "help": _of(
        ("help", "which commands there are"),
        ("help restore", "the help of a command"),
        ("help --man /usr/local/share/man/man1", "write man pages of all commands"),
    ),
}
"""By the words of a command; empty for `strongroom` itself."""
