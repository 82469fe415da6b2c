"""What all tests share: under CI nothing may be skipped, and every module says its kind."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# hypothesis would fail an example that takes 200 ms by the clock on the wall: under load, and with
# coverage measured, that tells of the machine and not of the code
settings.register_profile("ctid", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ctid")

KINDS = {"unit", "sim", "store", "daemon", "asterisk", "browser"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    nameless = {
        str(item.path)
        for item in items
        if not KINDS & {marker.name for marker in item.iter_markers()}
    }
    if nameless:
        raise pytest.UsageError(
            "these test modules do not say their kind (pytestmark = pytest.mark.<kind>): "
            + ", ".join(sorted(nameless))
        )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped under CI, where nothing may be missing"
