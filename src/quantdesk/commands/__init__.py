"""The commands, a file for each kind of work; nothing heavy is imported before a command needs it."""
