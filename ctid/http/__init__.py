"""The daemon's HTTP side: ``/api/v1``, the event stream, health, metrics and the browser client.

May import ``ctid.access``, ``ctid.events``, ``crmcore`` and ``routing``; it alone imports
``aiohttp.web``. It must never decide where an interaction goes: it hands facts to the pump and
shows views.
"""
