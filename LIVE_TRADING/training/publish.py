"""Puts the files of a run in place, all of them or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from LIVE_TRADING.common.determinism import sorted_items
from LIVE_TRADING.common.exceptions import ConfigurationError, StateError
from LIVE_TRADING.common.file_layer import OS_FILES, FileLayer
from LIVE_TRADING.models.artifacts import MANIFEST_FILE


def check_run_root(run_root: Path, *, replace: bool) -> None:
    """Refuse a folder that a run must not be written to; asked before training, and again before writing.

    Raises
    ------
    ConfigurationError
        The folder holds a run and `replace` is not set, or it holds something else.
    """
    if not run_root.exists() or (run_root.is_dir() and not any(run_root.iterdir())):
        return
    if not (run_root / MANIFEST_FILE).is_file():
        raise ConfigurationError(f"{run_root}: is no training run and not empty; give another folder or run id")
    if not replace:
        raise ConfigurationError(f"{run_root}: a run stands here already; give another run id, or --replace")


def publish_run(
    run_root: Path, contents: Mapping[PurePosixPath, bytes], *, replace: bool, files: FileLayer = OS_FILES
) -> None:
    """Write the files of a run beside `run_root`, durable, then rename the folder into place.

    Whatever fails, `run_root` holds what it held before or the whole new run; only a crash between the two renames of a
    replacement leaves neither there, and the old run then stands beside it as `.<name>.old`.

    Raises
    ------
    ConfigurationError
        As `check_run_root`.
    StateError
        The file system refused.
    """
    check_run_root(run_root, replace=replace)
    partial = run_root.with_name(f".{run_root.name}.{os.getpid()}.partial")
    old = run_root.with_name(f".{run_root.name}.old")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        _write_tree(partial, contents, files)
        _swap(partial, run_root, old, files)
    except OSError as error:
        raise StateError(f"{run_root}: cannot be written ({error.strerror}); check space and permissions") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _swap(partial: Path, run_root: Path, old: Path, files: FileLayer) -> None:
    """Rename the new run into place; the old one, if any, goes aside first and comes back when that fails."""
    if (run_root / MANIFEST_FILE).exists():
        shutil.rmtree(old, ignore_errors=True)
        files.replace(run_root, old)
    try:
        files.replace(partial, run_root)
    except OSError:
        if old.exists() and not run_root.exists():
            old.rename(run_root)
        raise
    files.fsync_folder(run_root.parent)


def _write_tree(root: Path, contents: Mapping[PurePosixPath, bytes], files: FileLayer) -> None:
    """Create the folder with these files; every file and folder is durable when this returns."""
    folders = {root}
    for relative, data in sorted_items(contents):
        path = root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in path.parents if parent.is_relative_to(root))
        descriptor = files.open_new(path)
        try:
            files.write(descriptor, data)
            files.fsync(descriptor)
        finally:
            files.close(descriptor)
    for folder in sorted(folders):
        files.fsync_folder(folder)
