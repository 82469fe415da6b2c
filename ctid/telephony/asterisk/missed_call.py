"""AGI program of the PBX host: writes down a call that ended while ctid was away.

The dialplan's hang-up handler runs it (context ``ctid-note`` in ``config/asterisk``). One call is
one JSON file in the spool folder, which ctid takes in at its next start; the file is there whole or
not at all. It runs apart from ctid, by its path, with pyst2 as the only library, and it must end by
itself whatever comes: the caller's number and name are somebody else's input.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from asterisk.agi import AGI, AGIException

VERSION = 1
#: longer values are cut; SIP lets a caller send kilobytes as a name
LONGEST = 256
VARIABLES = {
    "caller_number": "${CALLERID(num)}",
    "caller_name": "${CALLERID(name)}",
    "did": "${CTID_DID}",
    "channel": "${CHANNEL(name)}",
    "uniqueid": "${UNIQUEID}",
    "linkedid": "${CHANNEL(linkedid)}",
    "language": "${CHANNEL(language)}",
    "dial_status": "${DIALSTATUS}",
    "dialed_peer": "${DIALEDPEERNAME}",
    "answered_s": "${ANSWEREDTIME}",
    "queue_status": "${QUEUESTATUS}",
    "queue_interface": "${MEMBERINTERFACE}",
    "fallen": "${CTID_FALLEN}",
    "rounds": "${CTID_ROUND}",
    "interaction": "${CTID_I}",
    "hangup_cause": "${HANGUPCAUSE}",
    "arrived_unix_s": "${CTID_ARRIVED}",
}


def clean(value: str) -> str:
    """Printable text of bounded length; what cannot be text is replaced."""
    text = value.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else " " for c in text)[:LONGEST].strip()


def outcome(values: dict[str, str]) -> str:
    """What became of the caller, as far as the PBX knows.

    ``ended_in_conversation``: ctid had connected it to an agent and died meanwhile.
    ``answered_in_fallback``: an agent took it from the fallback queue.
    ``missed``: nobody spoke with this caller.
    """
    if values["queue_interface"]:
        return "answered_in_fallback"
    if values["dial_status"] == "ANSWER":
        return "ended_in_conversation"
    return "missed"


def write_note(folder: Path, note: dict[str, Any]) -> Path:
    """Write ``note`` so that it survives a power cut; gives its path. Raises OSError.

    The name comes from the channel's unique id: the same call noted twice is one file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(str(note["uniqueid"]).encode()).hexdigest()[:24]
    target = folder / f"call-{digest}.json"
    descriptor, partial = tempfile.mkstemp(prefix=".part-", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            json.dump(note, handle, ensure_ascii=False)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial, target)
    except BaseException:
        os.unlink(partial)
        raise
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return target


def read_values(agi: AGI) -> dict[str, str]:
    """Ask Asterisk for :data:`VARIABLES`; what it does not answer stays empty."""
    values: dict[str, str] = {}
    for name, expression in VARIABLES.items():
        try:
            values[name] = clean(agi.get_full_variable(expression) or "")
        except (AGIException, ValueError, KeyError, OSError):  # also pyst2 at the end of input
            values[name] = ""
    return values


def main(spool: Path, stdin: TextIO, stdout: TextIO) -> int:
    """One AGI session. Gives the exit code: 1 if nothing could be written."""
    # pyst2 writes all it sees, with the caller's number, to its error stream
    agi = AGI(stdin=stdin, stdout=stdout, stderr=io.StringIO())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the call is over, that is why we are here
    values = read_values(agi)
    for name, key in (("uniqueid", "agi_uniqueid"), ("caller_number", "agi_callerid")):
        values[name] = values[name] or clean(str(agi.env.get(key, "")))
    ended_at = datetime.now(UTC)  # noqa: TID251 - runs outside the daemon, has no clock to be given
    note = {"version": VERSION, "outcome": outcome(values), "ended_at": ended_at.isoformat()}
    try:
        arrived = datetime.fromtimestamp(int(values.pop("arrived_unix_s")), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        arrived = ""
    note["arrived_at"] = arrived
    try:
        write_note(spool, {**note, **values})
    except OSError as error:
        with contextlib.suppress(AGIException, ValueError, OSError):
            agi.verbose(f"ctid-note: cannot write to the spool: {error.strerror}", 1)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(
        main(
            Path(sys.argv[1]),
            io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace"),
            io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="replace"),
        )
    )
