"""How many tensors two rows share before their first step."""

import dataclasses

import torch

from vswin.experiments.library import Library
from vswin.experiments.planning import first_runs
from vswin.models.registry import build, initialise_
from vswin.project import experiments_dir
from vswin.runs.config import FromCheckpoint
from vswin.runs.shared import shared_tensors

LIBRARY = Library(experiments_dir())


def run_of(name, protocol="proxy"):
    table, row = name.split(".")
    return first_runs(LIBRARY.experiment(table), LIBRARY.protocol(protocol))[row]


def test_a_run_shares_everything_with_itself_and_nothing_drawn_with_another_seed():
    run = run_of("table5.win8")
    found = shared_tensors(run, run)
    assert found.first == found.second == found.same_shape == found.equal > 0
    # What starts at 0 or 1 whatever the seed: biases of linear layers, and LayerNorm.
    other = shared_tensors(run, run.with_seed(1))
    assert other.same_shape == found.first
    model = build(run.model)
    initialise_(model, run.recipe.linear_std, run.recipe.bias_std, 0)
    constant = [p for p in model.parameters() if len(set(p.detach().flatten().tolist())) == 1]
    assert other.equal == len(constant) < found.equal


def test_windows_share_all_but_their_bias_tables():
    """Two stages of two blocks, and a table of another length in each."""
    found = shared_tensors(run_of("table5.win8"), run_of("table5.win16"))
    assert found.first == found.second
    assert found.equal == found.same_shape == found.first - 4


def test_shifts_share_everything():
    found = shared_tensors(run_of("table6.shift_3d"), run_of("table6.shift_none"))
    assert found.equal == found.first == found.second


def test_designs_share_what_both_have():
    joint, split = run_of("table4.joint"), run_of("table4.split")
    found = shared_tensors(joint, split)
    names = [{name for name, _ in build(run.model).named_parameters()} for run in (joint, split)]
    assert (found.first, found.second) == tuple(map(len, names))
    assert found.same_shape <= len(names[0] & names[1])
    assert 0 < found.equal == found.same_shape


def test_inflations_of_one_run_share_all_that_is_not_inflated():
    """Table 8: the patch embedding's weight differs, and nothing else that is loaded."""
    found = shared_tensors(run_of("table8.inflate"), run_of("table8.center"))
    assert found.same_shape == found.first == found.second
    assert found.equal == found.first - 1


def test_two_pretrainings_share_nothing_but_what_is_new():
    """Table 7, from the small and the large one: the video model's own head is drawn anew."""
    small, large = run_of("table7.ratio_0_1_1k"), run_of("table7.ratio_0_1_21k")
    found = shared_tensors(small, large)
    assert found.same_shape == found.first == found.second
    assert found.equal == 2
    again = shared_tensors(small, run_of("table7.ratio_1_0_1k"))
    assert again.equal == again.first


def test_published_files_are_not_looked_for():
    run = run_of("table8.inflate", "paper")
    assert isinstance(run.init, FromCheckpoint)
    assert shared_tensors(run, run) is None


def test_counting_leaves_global_random_numbers_alone():
    run = run_of("table5.win8")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    shared_tensors(run, dataclasses.replace(run, seed=3))
    assert torch.equal(torch.rand(3), expected)
