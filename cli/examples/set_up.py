"""Examples of the group Set up."""

from __future__ import annotations

SET_UP: dict[str, tuple[tuple[str, str], ...]] = {
    "init": (
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
    "join": (
        ("join s3://backups/strongroom --name backup1", "on a second machine: settings, an identity, what to send to whom"),
        ("join /srv/backup --config /etc/strongroom/strongroom.toml --identity /etc/strongroom/identity.txt", "for a service"),
    ),
    "recover": (
        ("recover s3://backups/strongroom?endpoint=https://s3.example.org", "type the kit; what will be done is shown first"),
        ("recover /srv/backup --kit share-1.txt --kit share-3.txt --dry-run", "what would be done, with two shares"),
        (
            "recover s3://backups/strongroom --kit kit.txt --in-place --yes",
            "without a terminal: identity, settings, and everything back in place",
        ),
    ),
    "project": (
        ("project list", "the projects that your identity opens"),
        ("project add acme --source reports=/srv/acme/reports", "a new one, with one folder of reports"),
        ("project erase acme --reason 'contract ended'", "ask for everything of it to be destroyed; another person approves"),
    ),
    "project add": (
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
    "project list": (
        ("project list", "the projects of the settings' repository that your identity opens"),
        (
            "project list --repository s3://backups/strongroom --identity kit.txt",
            "on a new machine: what the recovery kit opens",
        ),
    ),
    "project show": (
        ("project show acme", "its sources, schedule, retention, snapshots, holds"),
        ("project show acme --json", "for a script"),
    ),
    "project rename": (
        ("project rename acme acme-ltd --dry-run", "show what would change"),
        ("project rename acme acme-ltd", "another name; all snapshots stay"),
    ),
    "project move-source": (
        (
            "project move-source acme reports /srv/new/reports --dry-run",
            "how much of it is at the new place under the same names",
        ),
        ("project move-source acme reports /srv/new/reports", "back up the folder at its new place, with its history"),
    ),
    "project erase": (
        ("project erase acme --reason 'contract ended' --dry-run", "what there is, and what stands against it"),
        ("project erase acme --reason 'contract ended'", "ask for it; nothing is erased yet"),
        ("project erase acme --approve", "another person agrees, with an identity of their own"),
        ("project erase acme --act act-of-destruction", "erase it, and write the act of destruction"),
    ),
    "source": (
        ("source list", "where items come from"),
        ("source test acme calls", "connect, and show what a backup would take"),
    ),
    "source add": (
        ("source add acme reports /srv/acme/reports", "a folder"),
        (
            "source add acme raw 'command:pg_dump -Fc crm' --name crm-dump --option item=crm.dump",
            "what a command prints, as one item",
        ),
    ),
    "source list": (
        ("source list", "of all projects"),
        ("source list acme --json", "of one, for a script"),
    ),
    "source test": (
        ("source test acme", "all sources of a project"),
        ("source test acme calls --json", "one of them, for a script"),
    ),
    "keys kit": (
        ("keys kit --to /media/usb/kit.txt --html /media/usb/kit.html", "as plain text, and as a page to be printed"),
        ("keys kit --shares 3 --threshold 2 --to /media/usb/kit.txt", "in three pieces, of which any two open everything"),
        ("keys kit --existing kit.txt", "seal to a kit what it does not open yet"),
    ),
    "keys check": (
        ("keys check", "type the kit off the paper"),
        ("keys check --kit kit.txt", "a kit in one piece, from a file"),
        ("keys check --kit share-1.txt --kit share-3.txt --json", "shares, for a script"),
    ),
    "keys": (
        ("keys new", "an identity for this machine or person"),
        ("keys list", "who holds keys of which project"),
        ("keys grant backup1.pub --name backup1 --project acme --as write", "let a host back up, and read nothing"),
        ("keys check --kit kit.txt", "does the recovery kit still open everything?"),
    ),
    "keys new": (
        ("keys new --passphrase", "your own identity, encrypted with a passphrase"),
        ("keys new --identity /etc/strongroom/identity.txt --name backup1", "a host's"),
        (
            "keys new --store-command 'pass insert -m strongroom' --command 'pass show strongroom'",
            "kept by a password manager, in no file",
        ),
    ),
    "keys show": (
        ("keys show", "what to send to whoever grants"),
        ("keys show --identity /etc/strongroom/identity.txt --json", "of another identity, for a script"),
    ),
    "keys list": (
        ("keys list", "who may do what, in all projects"),
        ("keys list acme --all --json", "of one project, with those whose time is over, for a script"),
    ),
    "keys grant": (
        ("keys grant backup1.pub --name backup1 --project acme --as write", "let a host back up, and read nothing"),
        ("keys grant anna.pub --name anna --all-projects --as read --as audit", "a colleague who may do everything"),
        (
            "keys grant audit.pub --name 'Smith & Co' --project acme --as audit --catalogue --until 2027-03-31",
            "an auditor: the log and names, no content, for a while",
        ),
    ),
    "keys revoke": (
        ("keys revoke anna", "everything that anna holds, in all projects"),
        ("keys revoke backup1 --project acme --reason 'stolen' --yes", "in one project, without a question"),
    ),
    "keys rotate": (
        ("keys rotate acme --dry-run", "who would go on, and who would not"),
        ("keys rotate acme", "new keys for what comes, after somebody has left"),
        ("keys rotate acme --reseal --max-time 60 --max-bytes 50G --yes", "at night: re-encrypt old packs, a part at a time"),
    ),
    "keys upgrade": (
        ("keys upgrade --dry-run", "what would be changed in a repository of an earlier version"),
        (
            "keys upgrade --identity ~/.config/strongroom/identity.txt --identity kit.txt",
            "with the recovery kit, so that it can grant as well",
        ),
    ),
    "settings": (
        ("settings check", "is the settings file right?"),
        ("settings show --origin", "what applies, and where it comes from"),
    ),
    "settings check": (
        ("settings check", "is the settings file right, and does anything look odd?"),
        ("settings check --config new.toml --json", "another file, for a script"),
    ),
    "settings show": (
        ("settings show", "every setting that applies"),
        ("settings show --origin", "and where each comes from"),
    ),
    "settings example": (
        ("settings example", "a settings file with a word on everything"),
        ("settings example > strongroom.toml", "a file to begin with"),
    ),
    "settings edit": (
        ("settings edit", "open the file in your editor, and put it in place only if it can be used"),
        ("settings edit --config /etc/strongroom/strongroom.toml", "another file"),
    ),
    "settings migrate": (
        ("settings migrate --dry-run", "show which settings have another name now"),
        ("settings migrate", "rename them in the file; comments and layout stay"),
    ),
    "settings restore": (
        ("settings restore --repository s3://backups/strongroom --identity kit.txt", "on a new machine, with the recovery kit"),
        ("settings restore --list --repository /srv/backup", "which copies there are"),
        ("settings restore --at '3 days ago' --to old.toml", "as the settings were three days ago"),
    ),
    "daemon": (
        ("daemon", "run all jobs by their schedules, until it is stopped"),
        ("daemon --once", "run what is due now, and end: for cron"),
        ("daemon --systemd", "a unit for systemd, on stdout"),
    ),
    "daemon run": (
        ("daemon run backup acme", "back up one project now, as the daemon would"),
        ("daemon run drill", "the restore test of every project, now"),
    ),
    "daemon jobs": (
        ("daemon jobs", "every job: when it ran last, what came of it, when it is next"),
        ("daemon jobs --json", "for a script"),
    ),
    "daemon logs": (
        ("daemon logs backup --lines 50", "what the last backups said"),
        ("daemon logs --follow", "what runs say, until Ctrl-C"),
    ),
    "console": (
        ("console", "where the settings say: else at http://127.0.0.1:8440"),
        ("console --listen 127.0.0.1:9000", "elsewhere"),
        ("console --systemd", "a unit for systemd, on stdout"),
    ),
    "console agent": (
        (
            "console agent --console https://console.example.org --token-file /etc/strongroom/agent.token",
            "carry out what people ask for there, until it is ended",
        ),
        ("console agent --once", "carry out what waits now, by the settings, for cron"),
        ("console agent --once --project acme --json", "of one project, for a script"),
    ),
    "console host": (
        ("console host add backup1 --project acme --until 2027-03-31", "a token for a host, shown this once"),
        ("console host list", "who asked for work when"),
    ),
    "console host add": (
        ("console host add backup1 --project acme --until 2027-03-31", "it may take restores of one project"),
        ("console host add backup1 --project 'acme-*' --project parcelo --until 2027-03-31 --json", "of several, for a script"),
    ),
    "console host list": (
        ("console host list", "names, projects, when they asked for work"),
        ("console host list --json", "for a script"),
    ),
    "console host remove": (
        ("console host remove backup1", "its token ends at once"),
        ("console host remove backup1 --yes", "without a question, for a script"),
    ),
    "console user": (
        ("console user add olena --group parcelo-managers", "an account; its password is asked for"),
        ("console user list", "who has one"),
    ),
    "console user add": (
        ("console user add olena --title 'Olena Koval' --group parcelo-managers", "the password is asked for"),
        ("console user add robot --password-file /run/secrets/robot", "it is read from a file"),
    ),
    "console user list": (
        ("console user list", "names, groups, second factors"),
        ("console user list --json", "for a script"),
    ),
    "console user groups": (
        ("console user groups olena --group parcelo-managers", "from the next request on"),
        ("console user groups olena", "none any more"),
    ),
    "console user remove": (
        ("console user remove olena", "with its sessions and tokens"),
        ("console user remove olena --yes", "without a question"),
    ),
    "console user passwd": (
        ("console user passwd olena", "another password; it is asked for"),
        ("console user passwd olena --password-file -", "it is read from standard input"),
    ),
    "console user reset-totp": (
        ("console user reset-totp olena", "her telephone is lost"),
        ("console user reset-totp boris --config /etc/strongroom/strongroom.toml", "of another settings file"),
    ),
    "console user reset-passkeys": (
        ("console user reset-passkeys olena", "her telephone is lost"),
        ("console user reset-passkeys boris --config /etc/strongroom/strongroom.toml", "of another settings file"),
    ),
    "test-restore": (
        ("test-restore", "back up every source to a throw-away folder, restore and compare each byte"),
        ("test-restore acme --into moto --junit restores.xml", "through an S3 server of its own, with a report for CI"),
    ),
    "cache": (
        ("cache info", "what this machine keeps of which repository"),
        ("cache clear --dry-run", "show what would go"),
    ),
    "cache info": (
        ("cache info", "by repository: what, how much, how old"),
        ("cache info --json", "for a script"),
    ),
    "cache clear": (
        ("cache clear --dry-run", "show what would go"),
        ("cache clear --all", "of every repository; the next commands fetch what they need again"),
    ),
    "doctor": (
        ("doctor", "probe the repository of the settings"),
        ("doctor s3://backups/strongroom --endpoint https://minio.example.com", "a bucket, before a repository is made there"),
    ),
    "support-bundle": (
        ("support-bundle --list", "what would be in it"),
        ("support-bundle support.zip", "pack it: no secrets, no names of items"),
    ),
    "demo": (
        ("demo", "a loss and its recovery, in less than a minute"),
        ("demo --console", "its pages in a browser, over a contact centre that has lost a folder"),
        ("demo --keep --years 1", "leave the folder, to look around in it"),
    ),
    "completion": (
        ("completion bash > ~/.local/share/bash-completion/completions/strongroom", "for bash, from the next shell on"),
        ("completion zsh > ~/.zfunc/_strongroom", "for zsh, where ~/.zfunc is in $fpath before compinit"),
        ("completion fish > ~/.config/fish/completions/strongroom.fish", "for fish"),
    ),
    "schema": (
        ("schema", "the names of all schemas"),
        ("schema strongroom.backup/1", "what `backup --json` prints, as a JSON Schema"),
    ),
    "help": (
        ("help", "which commands there are"),
        ("help restore", "the help of a command"),
        ("help --man /usr/local/share/man/man1", "write man pages of all commands"),
    ),
}
