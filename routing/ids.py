"""Identifiers. Each is a string of its own type, so that mypy refuses to mix them."""

from __future__ import annotations

from typing import NewType

InteractionId = NewType("InteractionId", str)
"""One customer's one matter on one channel. For voice: the unique id of the caller's channel."""
AgentId = NewType("AgentId", str)
QueueId = NewType("QueueId", str)
OfferId = NewType("OfferId", str)
"""``<interaction>.o<n>``: the n-th attempt to give the interaction to one or more agents."""
StepId = NewType("StepId", str)
"""``<interaction>.s<n>``: the n-th prompt or digit collection of the interaction."""
TimerId = NewType("TimerId", str)
SupervisionId = NewType("SupervisionId", str)
RecordingId = NewType("RecordingId", str)
CustomerId = NewType("CustomerId", str)
PhoneId = NewType("PhoneId", str)
"""The phone as the PBX knows it, for example the PJSIP endpoint ``1002``."""
NO_PHONE = PhoneId("")
SkillId = NewType("SkillId", str)
FlowId = NewType("FlowId", str)
