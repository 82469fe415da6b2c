"""Errors of the recorder. Each message says what is wrong with which file."""

from __future__ import annotations


class RecordingError(Exception):
    """There is no usable recording; the message is kept with the contact record."""
