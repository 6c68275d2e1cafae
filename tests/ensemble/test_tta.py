import pytest

from hai_core.ensemble import tta
from hai_core.workspace import InputError


def test_views_are_a_fixed_list():
    assert tta.views(1) == ("center",)
    assert tta.views(2) == ("center", "mirror")


@pytest.mark.parametrize("count", [0, 3, -1])
def test_other_numbers_are_refused(count):
    with pytest.raises(InputError, match=rf"--tta {count}: there are 1 to 2 views \(center, mirror\)"):
        tta.views(count)
