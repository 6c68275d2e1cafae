"""The order in which class names are offered for another label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hai_core.records import Decision

RECENT = 6  # labels chosen lately that come first
LOOKED_AT = 500  # decisions among which they are looked for


def recent_labels(decisions: Sequence[Decision], author: str, mapping: Mapping[str, str]) -> list[str]:
    """The labels that `author` chose last, newest first, called as their classes are now, without dropped ones.

    A suggestion that was accepted was not chosen: it would crowd out what is.
    """
    own = (d.value for d in reversed(decisions[-LOOKED_AT:])
           if d.action == "relabel" and d.author == author and d.value != d.evidence.get("suggested"))
    given = (mapping.get(name, name) for name in own)
    return list(dict.fromkeys(name for name in given if name))[:RECENT]


def in_order(classes: Iterable[str], recent: Sequence[str], series: Mapping[str, str], label: str = "") -> list[str]:
    """`classes`, each once: `recent` ones, then those of the series of `label`, then the others; the last two by name."""
    names = sorted(set(classes))
    first = [name for name in recent if name in set(names)]
    own = series.get(label)
    near = [name for name in names if own and series.get(name) == own and name not in first]
    before = {*first, *near}
    return [*first, *near, *(name for name in names if name not in before)]
