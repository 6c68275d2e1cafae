"""Another label for images: which class names are offered, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hai_core.records import Decision
from hai_core.workspace import Workspace
from pages.ui import loaders, state
from pages.ui.gallery import Action, on_images
from pages.ui.tiles import classes

RECENT = 6  # labels chosen lately that come first
LOOKED_AT = 500  # decisions among which they are looked for


def relabel(workspace: Workspace) -> Action:
    """Give the selected images another label: one chosen lately, one of the series of the image's label, or any other."""
    curation, names = loaders.curation(workspace), classes(workspace)
    recent = [name for name in recent_labels(loaders.live(workspace), state.author(), curation.mapping) if name in set(names)]
    return Action("relabel", "relabel", on_images("relabel"), key="l", choose=(*recent, *(n for n in names if n not in recent)),
                  recent=len(recent), series={name: curation.series[name] for name in names if curation.series.get(name)})


def recent_labels(decisions: Sequence[Decision], author: str, mapping: Mapping[str, str]) -> list[str]:
    """The labels that `author` chose last, newest first, called as their classes are now, without dropped ones.

    A suggestion that was accepted was not chosen: it would crowd out what is.
    """
    own = (d.value for d in reversed(decisions[-LOOKED_AT:])
           if d.action == "relabel" and d.author == author and d.value != d.evidence.get("suggested"))
    given = (mapping.get(name, name) for name in own)
    return list(dict.fromkeys(name for name in given if name))[:RECENT]
