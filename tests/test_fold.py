"""The fold against a slow reference, and what must hold for every list of decisions."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from handmade import catalog_of, classes_of
from hypothesis import given, settings
from hypothesis import strategies as st

from hai_core.anchors import anchor
from hai_core.changes import changes
from hai_core.fold import FIELD, fold
from hai_core.records import ACTIONS, IMAGE_ACTIONS, Decision
from hai_core.rules import NEEDS, tidy
from hai_core.workspace import InputError

CATALOG = catalog_of(classes_of("A", "B", "C", "D", images=2) | {"A/copy.jpg": "A 1", "loose.jpg": "loose"})
PATHS = list(CATALOG["path"])
NAMES = ["A", "B", "C", "D", "N", "M"]  # four classes and two names that only decisions introduce
SHA256 = dict(zip(CATALOG["path"], CATALOG["sha256"], strict=True))


def made(action: str, name: str = "", other: str = "", value: str = "", catalog=CATALOG) -> Decision:
    """One decision as the journal would hold it: about the image or the class `name`."""
    about = {"path": name} if action in IMAGE_ACTIONS else {"label": name}
    return anchor([Decision(action, other=other, value=value, **about)], catalog)[0]


def row(path: str, catalog=CATALOG) -> int:
    return list(catalog["path"]).index(path)


@st.composite
def one_decision(draw, actions=ACTIONS):
    action = draw(st.sampled_from(actions))
    path, label, other = draw(st.sampled_from(PATHS)), draw(st.sampled_from(NAMES)), ""
    if action == "not_duplicates":
        other = draw(st.sampled_from([p for p in PATHS if p != path]))
    elif action == "keep_apart":
        other = draw(st.sampled_from([n for n in NAMES if n != label]))
    value = draw(st.sampled_from(NAMES)) if "value" in NEEDS[action] else ""
    decision = Decision(action, other=other, value=value, **({"path": path} if action in IMAGE_ACTIONS else {"label": label}))
    if action in IMAGE_ACTIONS:
        evidence = {"anchor": {"other_sha256": SHA256[other]}} if other else {}
        decision = replace(decision, sha256=SHA256[path], evidence=evidence)
    return decision


def numbered(decisions):
    return [replace(decision, seq=seq) for seq, decision in enumerate(decisions, 1)]


journals = st.lists(one_decision(), max_size=25).map(numbered)
class_journals = st.lists(one_decision(("merge", "rename", "drop_class")), max_size=12).map(numbered)


# -- a slow, obvious reference: follows every image on its own, through every decision

def reference(decisions):
    originals = {path.split("/")[0] for path in PATHS if "/" in path}
    known, edge, refused = set(originals), {}, set()

    def end(name, edge):
        for _ in range(100):
            if name not in edge:
                return name
            name = edge[name]
        return None

    images = {path: {"label": path.split("/")[0] if "/" in path else "", "excluded": False, "unsure": False, "tag": "",
                     "noise": False, "quality": False} for path in PATHS}
    for d in decisions:
        image = images.get(d.path, {})
        needed = {"relabel": [d.value], "keep_apart": [d.label, d.other]}.get(d.action, [d.label] if d.label else [])
        if any(name not in known for name in needed):
            refused.add(d.seq)
        elif d.action in ("merge", "rename") and d.value == d.label:
            edge.pop(d.label, None)
        elif d.action in ("merge", "rename"):
            taken = d.value in originals or d.value in edge.values()
            after = edge | {d.label: d.value}
            if (d.action == "rename" and taken) or end(d.value, edge) == "" or end(d.label, after) is None:
                refused.add(d.seq)
            else:
                edge, known = after, known | {d.value}
        elif d.action == "drop_class":
            edge = edge | {d.label: ""}
        elif d.action == "relabel" and end(d.value, edge) == "":
            refused.add(d.seq)
        elif d.action in ("exclude", "restore"):
            image["excluded"] = d.action == "exclude"
        elif d.action in ("relabel", "label_ok", "unsure"):
            image["label"] = d.value if d.action == "relabel" else d.path.split("/")[0] if "/" in d.path else ""
            image["unsure"], image["noise"] = d.action == "unsure", True
        elif d.action == "quality_ok":
            image["quality"] = True
        elif d.action == "tag":
            image["tag"] = d.value
    for image in images.values():
        image["label"] = end(image["label"], edge)
    return images, {name: end(name, edge) for name in originals}, refused


@settings(max_examples=200, deadline=None, derandomize=True)
@given(journals)
def test_the_fold_is_the_slow_reference(decisions):
    images, mapping, refused = reference(decisions)
    folded = fold(CATALOG, decisions)
    assert {d.seq for d, _ in folded.stale + folded.impossible} == refused
    assert folded.mapping == mapping
    for path, image in images.items():
        at = row(path)
        assert {"label": folded.label[at], "excluded": folded.excluded[at], "unsure": folded.unsure[at], "tag": folded.tags[at],
                "noise": folded.reviewed["noise"][at], "quality": folded.reviewed["quality"][at]} == image


@settings(max_examples=60, deadline=None, derandomize=True)
@given(class_journals)
def test_merges_never_form_a_cycle_and_the_mapping_is_closed(decisions):
    folded = fold(CATALOG, decisions)
    for final in set(folded.mapping.values()) - {""}:
        assert folded.mapping.get(final, final) == final  # where a chain ends, it ends for everyone


@settings(max_examples=50, deadline=None, derandomize=True)
@given(journals, one_decision(IMAGE_ACTIONS))
def test_a_decision_about_one_field_of_one_image_leaves_everything_else(decisions, extra):
    before, after = fold(CATALOG, decisions), fold(CATALOG, [*decisions, extra])
    may_change = {"exclusion": {"excluded"}, "label": {"label", "unsure", "label reviewed"}, "quality": {"quality reviewed"},
                  "tag": {"tag"}}.get(FIELD.get(extra.action, ""), {"not duplicates"})
    differs = changes(CATALOG, before, after)
    assert set(differs["what"]) <= may_change
    assert set(differs["path"]) <= {extra.path, extra.other}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(one_decision(("exclude", "restore", "label_ok", "unsure", "quality_ok", "tag", "not_duplicates")), max_size=15),
       st.randoms(use_true_random=False))
def test_only_the_order_within_one_field_of_one_image_counts(decisions, random):
    def field_of(decision):
        return decision.path, FIELD.get(decision.action, frozenset((decision.path, decision.other)))

    shuffled = list(decisions)
    random.shuffle(shuffled)
    in_order = {key: iter([d for d in decisions if field_of(d) == key]) for key in map(field_of, decisions)}
    rearranged = [next(in_order[field_of(d)]) for d in shuffled]
    assert changes(CATALOG, fold(CATALOG, decisions), fold(CATALOG, rearranged)).empty


@settings(max_examples=50, deadline=None, derandomize=True)
@given(journals, st.randoms(use_true_random=False))
def test_the_clock_does_not_count(decisions, random):
    times = [f"2026-01-{random.randint(1, 28):02d}T00:00:00+00:00" for _ in decisions]
    told = [replace(d, time=time) for d, time in zip(decisions, times, strict=True)]
    assert changes(CATALOG, fold(CATALOG, decisions), fold(CATALOG, told)).empty


@settings(max_examples=50, deadline=None, derandomize=True)
@given(journals, st.randoms(use_true_random=False))
def test_the_order_of_the_catalog_does_not_count(decisions, random):
    order = list(range(len(CATALOG)))
    random.shuffle(order)
    shuffled = CATALOG.iloc[order].reset_index(drop=True)
    a, b = fold(CATALOG, decisions), fold(shuffled, decisions)
    np.testing.assert_array_equal(a.label[order], b.label)
    np.testing.assert_array_equal(a.excluded[order], b.excluded)
    assert (a.mapping, a.series, a.keep_apart, a.not_duplicates) == (b.mapping, b.series, b.keep_apart, b.not_duplicates)


# -- single rules

def test_relabels_apply_before_merges():
    merges = [made("merge", "B", value="C"), made("merge", "C", value="N")]
    folded = fold(CATALOG, [merges[0], made("relabel", "A/1.jpg", value="B"), merges[1]])
    assert folded.label[row("A/1.jpg")] == "N"
    assert folded.mapping == {"A": "A", "B": "N", "C": "N", "D": "D"}
    assert folded.relabeled.tolist() == [path == "A/1.jpg" for path in PATHS]


def test_a_circle_is_impossible_and_a_merge_into_itself_takes_a_merge_back():
    decisions = [made("merge", "A", value="B"), made("merge", "B", value="C"), made("merge", "C", value="A")]
    folded = fold(CATALOG, decisions)
    assert [(d.label, "circle: C -> A -> B -> C" in reason) for d, reason in folded.impossible] == [("C", True)]
    cleared = fold(CATALOG, [*decisions[:2], made("merge", "A", value="A"), decisions[2]])
    assert cleared.impossible == []
    assert cleared.mapping["B"] == cleared.mapping["C"] == cleared.mapping["A"] == "A"


def test_the_last_of_merge_rename_and_drop_wins():
    folded = fold(CATALOG, [made("merge", "A", value="B"), made("drop_class", "A"), made("rename", "C", value="N")])
    assert (folded.mapping["A"], folded.mapping["C"]) == ("", "N")
    assert folded.label[row("A/1.jpg")] == ""
    back = fold(CATALOG, [made("drop_class", "A"), made("merge", "A", value="B")])
    assert back.mapping["A"] == "B"


@pytest.mark.parametrize(("earlier", "later", "reason"), [
    ([], made("rename", "A", value="B"), "use merge"),
    ([made("merge", "A", value="N")], made("rename", "B", value="N"), "use merge"),
    ([made("drop_class", "B")], made("merge", "A", value="B"), "was dropped"),
    ([made("drop_class", "B")], made("relabel", "A/1.jpg", value="B"), "was dropped"),
])
def test_contradictions_are_listed_and_have_no_effect(earlier, later, reason):
    without, folded = fold(CATALOG, earlier), fold(CATALOG, [*earlier, later])
    assert [reason in why for _, why in folded.impossible] == [True]
    assert changes(CATALOG, without, folded).empty


def test_an_unknown_class_is_stale():
    folded = fold(CATALOG, [made("relabel", "A/1.jpg", value="X"), made("series", "X", value="S")])
    assert [reason for _, reason in folded.stale] == ["there is no class 'X'"] * 2


def test_series_follow_the_class():
    decisions = [made("series", "A", value="S"), made("rename", "A", value="N"), made("series", "B", value="T"),
                 made("merge", "C", value="B"), made("series", "C", value="U"), made("series", "D", value="V"),
                 made("series", "D", value="D")]
    assert fold(CATALOG, decisions).series == {"N": "S", "B": "T"}


def test_pairs_kept_apart_follow_their_classes():
    apart = [made("keep_apart", "A", other="B"), made("keep_apart", "C", other="D")]
    assert fold(CATALOG, apart).keep_apart == {frozenset("AB"), frozenset("CD")}
    later = [*apart, made("rename", "A", value="N"), made("drop_class", "D")]
    assert fold(CATALOG, later).keep_apart == {frozenset("NB")}


def test_an_unordered_pair_of_paths():
    both_ways = [made("not_duplicates", "A/1.jpg", other="A/copy.jpg"), made("not_duplicates", "A/copy.jpg", other="A/1.jpg")]
    assert fold(CATALOG, both_ways).not_duplicates == {frozenset(("A/1.jpg", "A/copy.jpg"))}


# -- images and classes that changed on disk

def test_changed_bytes_make_a_decision_stale():
    changed = catalog_of(classes_of("A", "B") | {"A/1.jpg": "something else"})
    folded = fold(changed, [made("exclude", "A/1.jpg"), made("exclude", "A/2.jpg")])
    assert folded.excluded.sum() == 1
    assert [reason for _, reason in folded.stale] == ["the bytes of 'A/1.jpg' changed since"]


def test_changed_bytes_of_either_image_make_a_pair_stale():
    pair = made("not_duplicates", "A/1.jpg", other="B/1.jpg")
    assert fold(catalog_of(classes_of("A", "B")), [pair]).not_duplicates
    for path in ("A/1.jpg", "B/1.jpg"):
        folded = fold(catalog_of(classes_of("A", "B") | {path: "something else"}), [pair])
        assert not folded.not_duplicates
        assert len(folded.stale) == 1


def test_decisions_follow_a_renamed_class_folder():
    decisions = [made("exclude", "A/1.jpg"), made("relabel", "B/1.jpg", value="A"), made("merge", "A", value="B"),
                 made("series", "A", value="S"), made("keep_apart", "C", other="A"), made("merge", "D", value="A")]
    contents = dict(zip(CATALOG["path"], CATALOG["sha256"], strict=True))
    renamed = catalog_of({path.replace("A/", "Anew/"): content for path, content in contents.items()})
    renamed["sha256"] = [contents[path.replace("Anew/", "A/")] for path in renamed["path"]]
    folded = fold(renamed, [replace(d, seq=n) for n, d in enumerate(decisions)])
    assert folded.stale == []
    assert folded.excluded[row("Anew/1.jpg", renamed)]
    assert folded.mapping == {"Anew": "B", "B": "B", "C": "C", "D": "B"}
    assert folded.label[row("B/1.jpg", renamed)] == "B"
    assert folded.series == {"B": "S"}
    assert folded.keep_apart == {frozenset("BC")}


def test_what_was_decided_about_a_class_does_not_pass_to_an_old_class_that_got_its_files():
    drop, relabel = made("drop_class", "A"), made("relabel", "C/1.jpg", value="A")
    moved = CATALOG.assign(path=CATALOG["path"].str.replace("A/", "B/from A ", regex=False),
                           label=CATALOG["label"].replace({"A": "B"})).sort_values("path", ignore_index=True)
    folded = fold(moved, [drop, relabel])
    assert folded.mapping == {"B": "B", "C": "C", "D": "D"}
    assert [(d.action, reason) for d, reason in folded.stale] == [("drop_class", "there is no class 'A'")]
    assert folded.label[row("C/1.jpg", moved)] == "B"  # where the files of A are now


def test_a_class_that_got_only_a_few_of_the_files_is_no_heir():
    before = catalog_of(classes_of("A", "B", images=8))
    contents = classes_of("B", images=8) | {"New/1.jpg": "A 1", "New/2.jpg": "A 2"} | classes_of("Other", images=3)
    decision = made("series", "A", value="S", catalog=before)
    assert fold(catalog_of(contents), [decision]).series == {}
    most = contents | {f"New/{n}.jpg": f"A {n}" for n in range(1, 6)}
    assert fold(catalog_of(most), [decision]).series == {"New": "S"}


def excluded_after(before: dict[str, str], path: str, after: dict[str, str]) -> list[str]:
    """Decide to exclude `path` in one catalog; the paths that are excluded in another."""
    decision = made("exclude", path, catalog=catalog_of(before))
    table = catalog_of(after)
    folded = fold(table, [decision])
    assert bool(folded.stale) == (not folded.excluded.any())
    return table["path"][folded.excluded].tolist()


@pytest.mark.parametrize(("before", "after", "follows"), [
    ({"A/1": "x", "A/2": "y"}, {"B/9": "x", "A/2": "y"}, ["B/9"]),
    ({"A/1": "x", "A/2": "x"}, {"B/9": "x", "A/2": "x"}, ["B/9"]),  # a copy that was there before is not the moved file
    ({"A/1": "x", "A/2": "x"}, {"A/2": "x"}, []),
    ({"A/1": "x"}, {"B/1": "x", "C/2": "x"}, ["B/1"]),  # several new ones: the same name
    ({"A/1": "x"}, {"B/2": "x", "C/3": "x"}, []),
    ({"A/1": "x"}, {"B/1": "x", "C/1": "x"}, []),
    ({"A/s/1": "x"}, {"B/s/1": "x", "C/1": "x"}, ["B/s/1"]),  # the longest common end
    ({"A/1": "x", "K/2": "x"}, {"B/1": "x", "B/2": "x"}, ["B/1"]),  # both copies moved
    ({"A/1": "x", "K/2": "x"}, {"B/2": "x"}, []),  # only the other copy moved
])
def test_a_decision_follows_its_file(before, after, follows):
    assert excluded_after(before, next(iter(before)), after) == follows


# -- one decision alone

@pytest.mark.parametrize(("decision", "sentence"), [
    (Decision("explode", path="A/1.jpg"), "no action 'explode'"),
    (Decision("exclude"), "exclude needs a path"),
    (Decision("exclude", path="A/1.jpg", label="A"), "exclude takes no class"),
    (Decision("merge", label="A"), "merge needs a value"),
    (Decision("merge", path="A/1.jpg", label="A", value="B"), "merge takes no path"),
    (Decision("relabel", path="A/1.jpg", value="  "), "relabel needs a value"),
    (Decision("drop_class", label="A", other="B"), "drop_class takes no other"),
    (Decision("not_duplicates", path="A/1.jpg", other="A/1.jpg"), "two different names"),
    (Decision("keep_apart", label="A", other=" A "), "two different names"),
    (Decision("rename", label="A", value="two\nlines"), "control character"),
])
def test_a_decision_that_makes_no_sense_is_refused(decision, sentence):
    with pytest.raises(InputError, match=sentence):
        tidy(decision)


def test_names_become_nfc_and_class_names_are_stripped():
    nfd = unicodedata.normalize("NFD", "쏘나타")
    clean = tidy(Decision("relabel", path=f"{nfd}/=1 ,\".jpg", value=f"  {nfd} "))
    assert (clean.path, clean.value) == ("쏘나타/=1 ,\".jpg", "쏘나타")
    assert tidy(Decision("keep_apart", label=nfd, other=f"{nfd} 2 ")).other == "쏘나타 2"


def test_a_class_whose_folder_begins_or_ends_with_a_space_is_meant_as_it_is_spelled():
    known = {" A ", "B"}
    assert tidy(Decision("relabel", path="B/1.jpg", value=" A "), known).value == " A "
    assert tidy(Decision("relabel", path="B/1.jpg", value=" B "), known).value == "B"
    assert tidy(Decision("merge", label=" A ", value="B"), known).label == " A "
    assert tidy(Decision("keep_apart", label="B", other=" A "), known).other == " A "
