"""The sample ``queues.toml`` and the examples of the page on routing are right, and stay so."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from ctid import queues_check, queues_file
from routing.model import CallbackMode, OverflowReason, StepKind
from routing.strategies import STRATEGIES

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
SAMPLE = (ROOT / "config" / "queues.toml").read_text("utf-8")
PAGE = (ROOT / "docs" / "routing.md").read_text("utf-8")
TODAY = date(2026, 11, 20)
NOON = 1_795_147_200.0  # of that Friday in Shanghai


def errors(text: str) -> list[str]:
    loaded = queues_file.parse(text, TODAY)
    return [str(p) for p in queues_check.findings(loaded, NOON) if not p.warning]


def every_feature() -> str:
    """The sample with all its features chosen."""
    return re.sub(r"^#~ ?", "", SAMPLE, flags=re.M)


def examples() -> str:
    """The examples of the page, which together are one file."""
    return "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, flags=re.S))


def test_the_sample_is_usable_as_it_is() -> None:
    assert errors(SAMPLE) == []


def test_the_sample_is_usable_with_every_feature() -> None:
    text = every_feature()
    assert text != SAMPLE
    assert errors(text) == []
    config = queues_file.parse(text, TODAY).config
    steps = {step.kind for flow in config.flows for step in flow.steps}
    assert steps >= set(StepKind) - {StepKind.SET}


def test_the_examples_of_the_page_are_usable_and_show_everything() -> None:
    text = examples()
    assert errors(text) == []
    config = queues_file.parse(text, TODAY).config
    reasons = {rule.reason for queue in config.queues for rule in queue.overflow}
    assert reasons == set(OverflowReason)
    assert {step.kind for flow in config.flows for step in flow.steps} == set(StepKind)
    assert {queue.callback.mode for queue in config.queues} == set(CallbackMode)
    assert any(queue.preferred.owner for queue in config.queues)
    assert any(queue.relax for queue in config.queues)
    assert any(queue.penalty_steps for queue in config.queues)
    for strategy in STRATEGIES:
        assert f"`{strategy}`" in PAGE
