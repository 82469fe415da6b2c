"""The table, on traces of a real Asterisk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ctid.telephony.traces import FOLDER, replay

pytestmark = pytest.mark.unit

TRACES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", TRACES, ids=lambda p: p.stem)
def test_a_trace_means_its_facts(path: Path) -> None:
    got, wanted, board = replay(path.read_text())
    assert wanted
    assert got == wanted
    assert not board.calls
    assert not board.legs


def test_there_are_traces() -> None:
    assert len(TRACES) >= 7


def blocks_of(path: Path) -> list[str]:
    return [b for b in path.read_text().strip().split("\n\n") if not b.startswith("=")]


@settings(max_examples=150)
@given(st.sampled_from(TRACES), st.data())
def test_lost_doubled_and_late_events_never_contradict(path: Path, data: st.DataObject) -> None:
    """AMI may be late, filtered or away: facts stay in a sensible order and come once."""
    blocks = blocks_of(path)
    knock, rest = blocks[0], blocks[1:]
    order = data.draw(
        st.lists(st.sampled_from(range(len(rest))), min_size=1, max_size=2 * len(rest))
    )
    keep_order = data.draw(st.booleans())
    chosen = [rest[i] for i in (sorted(order) if keep_order else order)]
    try:
        got, _, _ = replay("\n\n".join([knock, *chosen]))
    except ValueError:  # ctid acts on a caller who is gone: the switch refuses that before
        return
    kinds = [fact.split()[0] for fact in got]
    assert kinds.count("CallerHungUp") <= 1
    if "CallerHungUp" in kinds:
        after = kinds[kinds.index("CallerHungUp") + 1 :]
        assert not {"OfferAnswered", "OfferEnded", "AgentHungUp", "OfferRinging"} & set(after)
    offers = sum(block.startswith("> offer") for block in chosen)
    assert kinds.count("OfferAnswered") + kinds.count("OfferEnded") <= offers
    assert kinds.count("AgentHungUp") <= kinds.count("OfferAnswered")


@pytest.mark.parametrize("path", TRACES, ids=lambda p: p.stem)
def test_strange_channels_mean_nothing(path: Path) -> None:
    text = path.read_text().replace("> knock", "> knock x y\n\n> forget")
    blocks = [b for b in text.split("\n\n") if not b.startswith((">", "="))]
    got, _, _ = replay("\n\n".join(["> knock other PJSIP/trunk-ffffffff", *blocks]))
    assert got == []
