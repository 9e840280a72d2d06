"""The command line: options, prompts, what is shown on a terminal, exit codes. Everything else is in `strongroom`."""
