"""Recordings: what to record, under which name, and keeping the file whole, findable and lawful.

May import ``routing`` and the standard library; must never talk to the PBX or import ``crmcore``.
"""
