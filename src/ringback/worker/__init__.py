"""Running operations: claim, run, keep alive, settle, drain."""
