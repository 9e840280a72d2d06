"""The only place with a terminal, an environment, settings files and exit codes."""
