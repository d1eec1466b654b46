"""The section on what paired runs have in common."""

from tests.report.claims.made_up import claim
from vswin.costs.cache import cache_folder
from vswin.paper.claims import claims_of
from vswin.report import load_study
from vswin.report.pairing import pairing


def test_a_table_says_what_the_rows_of_its_claims_share(smoke_results):
    study = load_study("table5", "smoke", results_dir=smoke_results)
    section = pairing(study, claims_of("table5"))
    found = {line[0]: line[1:] for line in section.lines}
    assert set(found) >= {"dim4, dim8", "dim8, dim16", "win8, win16", "win4, win8"}
    tensors, others, alike, equal = map(int, found["win8, win16"])
    assert tensors == others > alike == equal
    # However often two rows are compared, and in either direction, they have one line.
    both = [claim("greater", ["win8", "win4"]), claim("within", ["win4", "win8"])]
    assert [line[0] for line in pairing(study, both).lines] == ["win4, win8"]
    four = claim("interaction", ["dim16", "dim8", "win8", "win4"])
    assert [line[0] for line in pairing(study, [four]).lines] == ["dim16, dim8", "win8, win4"]
    assert pairing(load_study("table4", "smoke", results_dir="/nowhere"), []).is_empty


def test_what_was_counted_is_kept_and_a_damaged_entry_is_counted_anew(smoke_results):
    study = load_study("table5", "smoke", results_dir=smoke_results)
    first = pairing(study, claims_of("table5"))
    for path in (cache_folder() / "shared").iterdir():
        path.write_text("{")
    assert pairing(study, claims_of("table5")) == first
    assert pairing(study, claims_of("table5")) == first
