"""Calls in any order on odd tables, 300 cases; `docs/benchmarks/fuzz.py` runs as many as you like."""

from hypothesis import HealthCheck, settings

from tests.robust.machine import Machine

TestCalls = Machine.TestCase
TestCalls.settings = settings(
    max_examples=300,
    stateful_step_count=6,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
