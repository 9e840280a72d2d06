"""One file a command. Heavy imports stand inside the functions: `strongroom --help` must not wait for them."""
