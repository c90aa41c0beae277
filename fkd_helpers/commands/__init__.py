"""The subcommands of the command line, a module each: `add` says what it takes, `run` calls."""
