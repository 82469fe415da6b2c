"""The embedded CRM: customers, contact records and the journal in one SQLite store.

May import ``routing``; must never import ``ctid``, ``recorder`` or anything of the telephony side.
"""
