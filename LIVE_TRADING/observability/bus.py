"""The bus that carries notices to their listeners."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

from LIVE_TRADING.observability.emit_safety import emit_listener_failed
from LIVE_TRADING.observability.events import EventType, Notice

Listener = Callable[[Notice], None]


class NoticeBus:
    """Tells every listener every notice it asked for, in the order of subscription, in the caller's thread.

    A listener that raises never stops trading: the error is counted in `failures`, and emitted as `listener_failed` the
    first time. A notice emitted by a listener is told after the one in hand, so that all hear the same order.
    One thread emits, the engine's.
    """

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._listeners: dict[EventType, list[tuple[str, Listener]]] = {kind: [] for kind in EventType}
        self._waiting: deque[Notice] = deque()
        self._telling = False

    def subscribe(self, name: str, listener: Listener, types: Iterable[EventType] = EventType) -> None:
        """Tell `listener` the notices of these types from now on. `name` stands in reports of its failures."""
        for kind in types:
            self._listeners[kind].append((name, listener))

    def unsubscribe(self, listener: Listener) -> None:
        """Tell `listener` nothing more; harmless when it was told nothing."""
        for kind, listeners in self._listeners.items():
            self._listeners[kind] = [entry for entry in listeners if entry[1] != listener]

    def emit(self, notice: Notice) -> None:
        """Tell all listeners of its type."""
        if self._telling:
            self._waiting.append(notice)
            return
        self._telling = True
        try:
            self._tell(notice)
            while self._waiting:
                self._tell(self._waiting.popleft())
        finally:
            self._telling = False

    def _tell(self, notice: Notice) -> None:
        for name, listener in self._listeners[notice.type]:
            try:
                listener(notice)
            except Exception as error:  # noqa: BLE001  whatever a listener does, trading goes on
                self.failures[name] += 1
                if self.failures[name] == 1:
                    message = f"{type(error).__name__}: {error}"
                    emit_listener_failed(self, notice.time_ns, listener=name, message=message)
