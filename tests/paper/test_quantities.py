"""Quantities that follow from printed cells."""

import pytest

from vswin.paper.printed import printed_table
from vswin.paper.quantities import PRETRAINING_IMAGES, printed_quantity


@pytest.mark.parametrize(
    ("row", "metric", "value"),
    [
        ("swin_s", "flops", 166.0),
        ("swin_s", "views", 12),
        ("swin_s", "test_flops", 1992.0),
        ("mvit_b_32x3", "test_flops", 850.0),
        ("swin_l_384_50", "views", 50),
        ("vivit_h", "pretraining_images", 300.0),
        ("i3d", "views", None),  # printed as a dash
        ("i3d", "test_flops", None),
        ("corrnet_101", "params", None),
        ("mvit_b_32x3", "pretraining_images", None),
        ("single_frame", "views", None),  # no printed row
    ],
)
def test_what_follows_from_the_cells_of_table_1(row, metric, value):
    assert printed_quantity(printed_table("table1"), row, metric) == value


def test_views_may_stand_behind_the_flops():
    assert printed_quantity(printed_table("tableA1"), "slowfast_nl", "views") == 30
    assert printed_quantity(printed_table("tableA1"), "mvit_b_16x4", "test_flops") == 352.5


def test_a_table_without_views_has_none():
    assert printed_quantity(printed_table("table5"), "dim16", "views") is None


def test_every_image_set_is_named_in_the_table():
    named = {row.cells["pretrain"] for row in printed_table("table1").rows}
    assert set(PRETRAINING_IMAGES) <= named
