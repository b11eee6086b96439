"""How long inference takes in simulated time, and when the engine stops waiting for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InferenceLatency:
    """Simulated time from the request to the predictions; `special` gives other values for single cycles."""

    usual_ns: int = 0
    timeout_ns: int = 30_000_000_000
    special: Mapping[int, int] = field(default_factory=dict)

    def of(self, cycle_time_ns: int) -> int:
        """Return the latency of a cycle's inference."""
        return self.special.get(cycle_time_ns, self.usual_ns)

    def times_out(self, cycle_time_ns: int) -> bool:
        """Return whether the engine gives up waiting before the predictions come."""
        return self.of(cycle_time_ns) > self.timeout_ns
