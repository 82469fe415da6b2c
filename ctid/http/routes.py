"""Every endpoint below ``/api/v1``, in the order of the documentation."""

from __future__ import annotations

from ctid.http import (
    agents,
    calls,
    config,
    contact_records,
    customers,
    interactions,
    queues,
    recordings,
    session,
    stream,
    supervise,
)
from ctid.http.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *session.ENDPOINTS,
    *stream.ENDPOINTS,
    *agents.ENDPOINTS,
    *queues.ENDPOINTS,
    *interactions.ENDPOINTS,
    *supervise.ENDPOINTS,
    *calls.ENDPOINTS,
    *customers.ENDPOINTS,
    *contact_records.ENDPOINTS,
    *recordings.ENDPOINTS,
    *config.ENDPOINTS,
)
