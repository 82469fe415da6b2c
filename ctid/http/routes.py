"""Every endpoint below ``/api/v1``, in the order of the documentation."""

from __future__ import annotations

from ctid.http import agents, config, interactions, queues, session, stream
from ctid.http.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *session.ENDPOINTS,
    *stream.ENDPOINTS,
    *agents.ENDPOINTS,
    *queues.ENDPOINTS,
    *interactions.ENDPOINTS,
    *config.ENDPOINTS,
)
