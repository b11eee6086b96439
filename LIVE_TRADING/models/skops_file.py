"""scikit-learn objects as bytes, through skops: no pickle, an explicit list of types, equal objects as equal bytes.

skops names arrays and shared objects by their address in memory, and its archive holds the time of writing. Here they
are numbered in the order in which the schema names them, and the time is fixed.
"""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator, Set
from typing import Any

# numpy reads array headers with ast.literal_eval, which CPython 3.11 before 3.11.8 does not survive in two threads at
# once ("AST constructor recursion depth mismatch"); fits run in threads
_ONE_READER = threading.Lock()
_SCHEMA = "schema.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time an archive can hold
_PLAIN = frozenset(
    {
        "builtins.dict",
        "builtins.float",
        "builtins.int",
        "builtins.list",
        "builtins.str",
        "builtins.tuple",
        "numpy.dtype",
        "numpy.float64",
        "numpy.int64",
        "numpy.ndarray",
        "numpy.uint64",
        "numpy.random._generator.Generator",
        "numpy.random.mtrand.RandomState",
    }
)


def dump_object(value: Any) -> bytes:
    """Return a scikit-learn object, or a container of such, as a skops archive."""
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(value))) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        names = _renumber(schema)
        contents = {new: archive.read(old) for old, new in names.items()}
    stable = io.BytesIO()
    with zipfile.ZipFile(stable, "w") as archive:
        for name, data in [
            *contents.items(),  # order: that of the schema, which is what is stable
            (_SCHEMA, json.dumps(schema, indent=1).encode()),
        ]:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return stable.getvalue()


def load_object(data: bytes, allowed: Set[str]) -> Any:
    """Return the object of an archive that names no type but containers, arrays, random states and those `allowed`.

    Every type that the schema names is compared, also those that skops trusts by itself, before anything is built.

    Raises
    ------
    ValueError
        Another type is named, or the bytes are no such archive.
    """
    import skops.io

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            schema = json.loads(archive.read(_SCHEMA))
        named = {f"{node.get('__module__')}.{node['__class__']}" for node in _nodes(schema) if "__class__" in node}
        if surplus := sorted(named - _PLAIN - allowed):
            raise ValueError(f"it names types that are not allowed: {', '.join(surplus)}")
        with _ONE_READER:
            return skops.io.loads(data, trusted=sorted(allowed))
    except (zipfile.BadZipFile, LookupError, TypeError, AttributeError, EOFError) as error:
        raise ValueError(f"it cannot be read as skops archive ({type(error).__name__}: {error})") from error


def only_file(files: Any, name: str) -> bytes:
    """Return the file of that name.

    Raises
    ------
    ValueError
        It is missing.
    """
    if name not in files:
        raise ValueError(f"{name} is missing")
    data: bytes = files[name]
    return data


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping of a schema, in the order in which it is written."""
    if isinstance(value, dict):
        yield value
        for below in value.values():  # order: as written
            yield from _nodes(below)
    elif isinstance(value, list):
        for below in value:
            yield from _nodes(below)


def _renumber(schema: dict[str, Any]) -> dict[str, str]:
    """Number objects and files of a schema, in place; return the new name of each file."""
    objects: dict[int, int] = {}
    names: dict[str, str] = {}
    for node in _nodes(schema):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = objects.setdefault(node["__id__"], len(objects))
        if "__loader__" in node and isinstance(node.get("file"), str):
            suffix = node["file"].rpartition(".")[2]
            node["file"] = names.setdefault(node["file"], f"{len(names)}.{suffix}")
    return names
