"""Telephony behind one port: adapters turn PBX events into facts and commands into PBX actions.

May import ``routing``; must never decide, and nothing above it may see a channel name.
"""
