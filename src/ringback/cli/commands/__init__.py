"""One module for each command, or for those that belong together."""
