"""When one of the shell's tasks fails: all others are cut off, and the run ends with that error, by its name."""

from __future__ import annotations

import asyncio

TASK_FAILED = "task_failed"


class TaskWatch:
    """Sees every task end; knows which one failed first, and which were cut off because of it."""

    def __init__(self) -> None:
        self._failed = ""
        self._cut_off: list[str] = []

    def ended(self, task: asyncio.Task[None]) -> None:
        """Note how a task ended."""
        if task.cancelled():
            if self._failed:
                self._cut_off.append(task.get_name())
        elif task.exception() is not None and not self._failed:
            self._failed = task.get_name()

    def says(self, error: BaseException) -> str:
        """Return in words what failed and what was cut off; without a failed task it was the loop that serves."""
        said = f"{self._failed or 'serve'} failed: {type(error).__name__}: {error}"
        return f"{said}; cut off: {', '.join(sorted(self._cut_off))}" if self._cut_off else said


def first_error(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group, what came after it noted on it; an order to end the process goes first."""
    found = list(_leaves(errors))
    first = next((error for error in found if not isinstance(error, Exception)), found[0])
    for other in found:
        if other is not first:
            first.add_note(f"and then {type(other).__name__}: {other}")
    return first


def _leaves(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in errors.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
