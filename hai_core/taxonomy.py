"""Class names (NFC) and the mapping original -> final that merges, renames and drops add up to."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Mapping

from hai_core.workspace import InputError

DROPPED = ""  # the successor of a dropped class


def normalize(name: str) -> str:
    """NFC form of a name: macOS hands out file names in NFD, and the two forms of a Korean name must be one class."""
    return unicodedata.normalize("NFC", name)


def class_name(name: str, what: str = "class name") -> str:
    """A valid class name from user input: NFC, stripped, one line, not empty.

    Raises InputError with the offending value.
    """
    clean = normalize(name).strip()
    if not clean:
        raise InputError(f"the {what} is empty")
    if any(unicodedata.category(c) == "Cc" for c in clean):
        raise InputError(f"the {what} {name!r} has a control character")
    return clean


def known_name(name: str, classes: Container[str], what: str = "class name") -> str:
    """The class that `name` means: one of `classes` as it is spelled (a folder's name may begin or end with a space), else a
    valid new name."""
    exact = normalize(name)
    return exact if exact in classes else class_name(name, what)


def follow(name: str, successor: Mapping[str, str]) -> str:
    """Where `name` ends up: the last of its chain of successors; DROPPED when the chain ends in a dropped class.

    Raises InputError on a cycle, naming its classes.
    """
    seen = [name]
    while (following := successor.get(name)) is not None and following != name:
        if following == DROPPED:
            return DROPPED
        if following in seen:
            raise InputError("merge cycle: " + " -> ".join([*seen, following]))
        seen.append(following)
        name = following
    return name


def final_labels(originals: Iterable[str], successor: Mapping[str, str]) -> dict[str, str]:
    """Mapping original class -> final class; dropped classes map to DROPPED."""
    return {name: follow(name, successor) for name in originals}
