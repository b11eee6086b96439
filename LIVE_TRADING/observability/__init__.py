"""What the system tells about itself: typed notices on a bus; metrics and logs listen to it.

`emit` holds the emitters, `metrics` the MetricsCollector, `logging` the logs; the last two are imported where used,
since what they stand on takes a tenth of a second to import.
"""

from LIVE_TRADING.observability.bus import NoticeBus
from LIVE_TRADING.observability.events import EventType, Notice, Publisher, Severity

__all__ = ["EventType", "Notice", "NoticeBus", "Publisher", "Severity"]
