import pytest

from tests.defects import DEFECTS, ROOT


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.what)
def test_what_a_defect_replaces_is_still_there(defect):
    assert (ROOT / defect.file).read_text("utf-8").count(defect.right) == 1


def test_every_point_of_section_8_has_one():
    assert {defect.number for defect in DEFECTS} == set(range(1, 10))
