"""The classes of datasets, in the order in which models are trained."""

import ast
import importlib.util
from pathlib import Path

import pytest

from vswin.data.datasets import DATASETS, class_key, class_names, dataset
from vswin.data.moving_digits import CLASSES, TASKS
from vswin.errors import UsageError

K400 = class_names("kinetics400")
SSV2 = class_names("ssv2")


@pytest.mark.parametrize("name", DATASETS)
def test_there_are_as_many_classes_as_the_dataset_has(name):
    names = class_names(name)
    assert len(names) == dataset(name).num_classes == len(set(names))
    assert len({class_key(each) for each in names}) == len(names)
    assert all(each == " ".join(each.split()) for each in names)


@pytest.mark.parametrize("name", ["kinetics400", "kinetics600", "kinetics700"])
def test_kinetics_classes_are_sorted_however_they_are_spelt(name):
    names = list(class_names(name))
    assert names == sorted(names)
    assert names == sorted(names, key=lambda each: each.replace(" ", "_"))
    assert names == sorted(names, key=lambda each: each.replace("'", "").replace(" ", "_"))


def test_kinetics400_is_in_the_order_that_torchvision_trains_in():
    package = importlib.util.find_spec("torchvision")
    if package is None:
        pytest.skip("no torchvision")
    source = Path(package.origin).parent / "models" / "_meta.py"
    lists = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.Assign)
    }
    assert list(K400) == lists["_KINETICS400_CATEGORIES"]


def test_something_something_is_in_the_published_order():
    """Its labels file sorts templates as strings: a space comes before a comma."""
    assert list(SSV2) == sorted(SSV2)
    known = {0: "Approaching something with your camera", 16: "Holding something"}
    known |= {45: "Moving something up", 173: "Wiping something off of something"}
    assert {label: SSV2[label] for label in known} == known


def test_editions_of_kinetics_share_what_the_papers_say():
    """arXiv 1907.06987: all but three of the 600 classes are among the 700."""
    keys = {n: {class_key(each) for each in class_names(f"kinetics{n}")} for n in (600, 700)}
    gone = {class_key(n) for n in ("bull fighting", "chopping vegetables", "picking fruit")}
    assert keys[600] - keys[700] == gone


def test_stand_ins_are_named_after_what_is_rendered():
    names = class_names("digits_ssv2")
    assert len(names) == len(TASKS["temporal"])
    assert names[CLASSES.index(("left", "left"))] == "moving left"
    assert names[CLASSES.index(("left", "up"))] == "moving left then up"
    assert class_names("digits_kinetics")[7] == "digit 7"


def test_an_unknown_dataset_is_refused():
    with pytest.raises(UsageError, match="did you mean 'kinetics400'"):
        class_names("kinetics40")
