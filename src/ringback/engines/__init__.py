"""Engines: the port in ``ringback.ports``, once for each home. They never import each other."""
