"""Asterisk behind the telephony port: AMI for events and mid-call actions, FastAGI for callers.

May import ``routing``, ``ctid.tasks``, ``ctid.clock`` and panoramisk; must never decide what is
done with a caller.
"""

from ctid.telephony.asterisk.ami import AmiSettings
from ctid.telephony.asterisk.fastagi import AgiSettings
from ctid.telephony.asterisk.switch import AsteriskSwitch

__all__ = ["AgiSettings", "AmiSettings", "AsteriskSwitch"]
