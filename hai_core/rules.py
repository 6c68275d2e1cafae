"""The vocabulary of decisions: what each action needs, and what class decisions do to the class names.

`tidy` looks at one decision alone; `ClassNames` reads class decisions one after the other, in journal order.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace

from hai_core.records import ACTIONS, Decision
from hai_core.taxonomy import DROPPED, follow, known_name, normalize
from hai_core.workspace import InputError

# Columns of `decide --from` that an action fills in, all of them; `reason` may always be given.
NEEDS: dict[str, tuple[str, ...]] = {
    "exclude": ("path",),
    "restore": ("path",),
    "label_ok": ("path",),
    "quality_ok": ("path",),
    "not_duplicates": ("path", "other"),
    "relabel": ("path", "value"),
    "unsure": ("path",),
    "tag": ("path", "value"),
    "merge": ("class", "value"),
    "keep_apart": ("class", "other"),
    "rename": ("class", "value"),
    "drop_class": ("class",),
    "series": ("class", "value"),
}
SUCCESSOR_ACTIONS = ("merge", "rename", "drop_class")  # what changes where a class ends up
JOINT = {"relabel": "to", "merge": "into", "rename": "to", "not_duplicates": "and", "keep_apart": "and", "tag": "as",
         "series": "to"}
NAMING_ACTIONS = (*SUCCESSOR_ACTIONS, "keep_apart", "series", "relabel")  # what is only possible while its classes exist


class Stale(Exception):
    """A decision that fitted when it was made, and whose image or class has changed or gone since; says what."""


class Impossible(Exception):
    """A decision that contradicts an earlier one; says how."""


def tidy(decision: Decision, classes: Container[str] = ()) -> Decision:
    """The decision with names in NFC, and class names stripped unless they are `classes` as they stand.

    Raises InputError for an unknown action, a needed column that is empty, and a filled one that the action does not use.
    """
    action = decision.action
    if action not in NEEDS:
        raise InputError(f"there is no action {action!r}; the actions are {', '.join(ACTIONS)}")
    given = {"path": decision.path, "class": decision.label, "other": decision.other, "value": decision.value}
    for column, text in given.items():
        needed = column in NEEDS[action]
        if needed and not text.strip():
            raise InputError(f"{action} needs a {column}, and it is empty")
        if not needed and text.strip():
            raise InputError(f"{action} takes no {column}, and it is {text!r}")
    clean = replace(
        decision,
        path=normalize(decision.path),
        label=known_name(decision.label, classes) if decision.label.strip() else "",
        other=_other(decision, classes),
        value=known_name(decision.value, classes, "value") if decision.value.strip() else "",
        reason=normalize(decision.reason).strip(),
    )
    if clean.other and clean.other in (clean.path, clean.label):
        raise InputError(f"{action} needs two different names, and both are {clean.other!r}")
    return clean


def _other(decision: Decision, classes: Container[str]) -> str:
    if decision.action == "keep_apart":
        return known_name(decision.other, classes, "other class")
    return normalize(decision.other)


def describe(decision: Decision) -> str:
    """A decision in a few words: `merge 'A' into 'B'`."""
    second = decision.other or decision.value
    words = [decision.action, repr(decision.path or decision.label)]
    return " ".join([*words, JOINT[decision.action], repr(second)] if second else words)


class ClassNames:
    """Class names while decisions are read in journal order.

    Each name has at most one successor; a later merge, rename or drop replaces it, and a merge or rename into itself takes it
    away. A decision that raises changes nothing.
    """

    def __init__(self, classes: Iterable[str]) -> None:
        self.originals = frozenset(classes)
        self.known = set(self.originals)  # and the names that merges and renames introduced
        self.successor: dict[str, str] = {}
        self.series_of: dict[str, str] = {}
        self.apart: set[tuple[str, str]] = set()

    def apply(self, decision: Decision) -> None:
        """Take in a class decision, or check a relabel.

        Raises Stale for a name that is no class, and Impossible for a contradiction with an earlier decision.
        """
        self._require(decision)
        name, value = decision.label, decision.value
        match decision.action:
            case "relabel":
                self._refuse_dropped(value)
            case "merge" | "rename":
                self._join(decision.action, name, value)
            case "drop_class":
                self.successor[name] = DROPPED
            case "series":
                self.series_of.pop(name, None)  # the latest series decision stands last
                if value != name:
                    self.series_of[name] = value
            case "keep_apart":
                self.apart.add((name, decision.other))

    def _require(self, decision: Decision) -> None:
        needed = (decision.value,) if decision.action == "relabel" else (decision.label, decision.other)
        for name in needed:
            if name and name not in self.known:
                raise Stale(f"there is no class {name!r}")

    def _join(self, action: str, name: str, value: str) -> None:
        if value == name:
            self.successor.pop(name, None)
            return
        chain = [value]
        while (following := self.successor.get(chain[-1], DROPPED)) != DROPPED and following != name:
            chain.append(following)
        if following == name:
            raise Impossible(f"{action} {name!r} {JOINT[action]} {value!r} closes a circle: {' -> '.join([name, *chain, name])}"
                             f" (to undo an earlier merge or rename of a class, merge it into itself)")
        if action == "rename" and (value in self.originals or value in self.successor.values()):
            raise Impossible(f"{value!r} is a class already; to put {name!r} and {value!r} together use merge")
        self._refuse_dropped(value)
        self.successor[name] = value
        self.known.add(value)

    def _refuse_dropped(self, value: str) -> None:
        if value in self.known and follow(value, self.successor) == DROPPED:
            raise Impossible(f"the class {value!r} was dropped (to take that back, merge it into itself)")

    def mapping(self) -> dict[str, str]:
        """Original class -> final class, DROPPED for dropped ones, in name order."""
        return {name: follow(name, self.successor) for name in sorted(self.originals)}

    def series(self) -> dict[str, str]:
        """Final class -> series. A merged class without a series of its own takes the one decided last among its originals'."""
        finals = {follow(name, self.successor): series for name, series in self.series_of.items()}
        own = {name: series for name, series in self.series_of.items() if name in finals}
        finals.pop(DROPPED, None)
        return finals | own

    def keep_apart(self) -> set[frozenset[str]]:
        """Pairs of final classes that were decided to stay two; pairs that were joined or dropped since are left out."""
        pairs = {frozenset(follow(name, self.successor) for name in pair) for pair in self.apart}
        return {pair for pair in pairs if len(pair) == 2 and DROPPED not in pair}
