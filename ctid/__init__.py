"""The daemon: carries out commands and reports facts.

May import everything below it (``recorder``, ``crmcore``, ``routing``); must never decide where an
interaction goes: that is the engine's work alone.
"""

__version__ = "0.1.0"
