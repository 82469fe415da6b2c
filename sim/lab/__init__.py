"""A private Asterisk for demo, tests and benches; several run side by side, without root.

May import the standard library and ``sim.phones.audio``; must never touch the host's Asterisk.
"""

from sim.lab.info import AmiInfo, LabInfo, PhoneInfo
from sim.lab.lab import Lab
from sim.lab.options import Ports
from sim.lab.program import LabError
from sim.lab.tools import default_base_dir, find_tool

__all__ = [
    "AmiInfo",
    "Lab",
    "LabError",
    "LabInfo",
    "PhoneInfo",
    "Ports",
    "default_base_dir",
    "find_tool",
]
