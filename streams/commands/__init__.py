"""Groups of subcommands, one a module; each assembles what it needs when it is called."""
