"""Pure routing decisions: turns facts into commands.

May import the standard library's pure parts only; must never do I/O, read a clock, draw randomness
of its own, or know what a SIP channel is.
"""
