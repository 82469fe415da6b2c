"""``make demo``: a private Asterisk, the daemon, scripted agents and a stream of real callers."""
