from __future__ import annotations

import pytest

from hai_core.names import numbers, similarity, sound

SAME = [("RAV4_5세대_2019_2024", "라브4_5세대_2019_2024"), ("한빛 아리아 2016_2018", "Hanbit Aria 2016-2018"),
        ("Toyota Camry 2012", "camry_toyota_2012"), ("Santa Fe 2019", "싼타페_2019"), ("Sorento", "쏘렌토"),
        ("Spark", "스파크"), ("Carnival", "카니발"), ("Volvo", "볼보"), ("Škoda", "Skoda"), ("골프 GTI", "Golf GTI"),
        ("K5_07", "K5_7")]
OTHER = [("K5_2019", "K5_2021"), ("K5_2019", "Q5_2019"), ("RAV4_5세대", "RAV4_4세대"), ("쏘나타", "쏘렌토"),
         ("Sonata", "카니발"), ("Audi A4", "Audi A6"), ("모닝", "레이"), ("---", "***"), ("a", "---"), ("", "a")]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_the_same_name_written_another_way(a, b):
    assert similarity(a, b) > 0.99
    assert similarity(b, a) == similarity(a, b)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_names_of_two_classes(a, b):
    assert similarity(a, b) < 0.5
    assert similarity(b, a) == similarity(a, b)


def test_a_number_that_contradicts_weighs_more_than_one_that_is_missing():
    assert similarity("K5", "K5") == 1
    assert similarity("K5_2019", "K5_2021") < 0.5 < similarity("K5", "K5_2019") < 0.9
    assert similarity("K5 2019_2021", "K5 2018_2020") < similarity("K5_2019", "K5_2021")


def test_nearly_the_same_sound_is_nearly_the_same_name():
    assert 0.6 < similarity("Grandeur", "그랜저") < similarity("Tucson", "투싼") < similarity("Lexus", "렉서스") < 1


def test_one_script_is_compared_by_letters_not_by_sound():
    assert sound("Volt") == sound("Bolt")
    assert similarity("Volt", "Bolt") < 0.8


def test_hostile_names_are_compared_like_any_other():
    assert similarity("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>") == 1
    assert numbers("K5_0019 (2)") == ["19", "2", "5"]


def test_decomposed_korean_is_the_same_name():
    import unicodedata

    assert similarity(unicodedata.normalize("NFD", "라브4"), "RAV4") == 1
