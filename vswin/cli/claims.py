"""`vswin claims`: what became of the paper's claims."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vswin.cli.options import ProtocolOption, ResultsOption, say_absent, say_project
from vswin.cli.terminal import print_line, print_table

if TYPE_CHECKING:  # `vswin --help` does without
    from vswin.report.claims import Judgement


def claims(
    table: Annotated[str | None, typer.Argument(help="Only those of a table.")] = None,
    protocol: ProtocolOption = "proxy",
    results_dir: ResultsOption = "results",
    as_json: Annotated[
        bool, typer.Option("--json", help="A list of objects, for programs.")
    ] = False,
) -> None:
    """The paper's claims, each with its verdict under a protocol. Trains nothing.

    A p is one-sided, of the hypothesis that the claim does not hold, and not adjusted for the
    number of claims. With --json, what does not apply to a claim is null. Differences, intervals
    and margins are in points; those of times in seconds, of what is counted in 10^9
    multiply-accumulates, 10^6 weights or images, views or GiB. Of a ratio the difference is the
    quotient, of a bound the number itself, in %, of several steps that of the weakest, which
    decides.
    """
    from vswin.project import results_path
    from vswin.report import load_study
    from vswin.report.audit.basis import RECORD
    from vswin.report.claims import judge_all, judge_claims
    from vswin.report.claims.tally import count_in_words
    from vswin.report.registration import registration_line

    say_project(quiet=as_json)
    say_absent(results_dir)
    registered = ""
    if table is None:
        judged = judge_all(results_dir, protocol)
    else:
        study = load_study(table, protocol, results_dir=results_dir)
        judged = judge_claims(study)
        registered = registration_line(study)
    if as_json:
        print(json.dumps([as_object(j) for j in judged], indent=2, allow_nan=False))
        return
    lines = [
        (
            judgement.claim.table or "",
            judgement.claim.id,
            judgement.verdict,
            judgement.evidence,
            _difference(judgement),
            str(len(judgement.seeds) or ""),
            "" if judgement.p is None else f"{judgement.p:.2g}",
        )
        for judgement in judged
    ]
    columns = ("table", "claim", "verdict", "evidence", "difference", "seeds", "p")
    print_table(f"Claims, protocol {protocol}", columns, lines, names=2)
    print_line(f"{len(judged)} claims: {count_in_words(judged)}." if judged else "No claims.")
    waiting = any(j.verdict == "not run" and j.evidence == "open test" for j in judged)
    if registered:
        print_line(registered)
    record = results_path(RECORD)
    is_own = bool(judged) and not any(j.paper for j in judged)
    if waiting and not is_own and record.is_dir() and record != results_path(results_dir):
        print_line(f"What the project's own record says of them: --results-dir {RECORD}")


def as_object(judgement: Judgement) -> dict[str, Any]:
    """A claim and its verdict for a program; null is what does not apply or is not known."""
    claim, interval = judgement.claim, judgement.interval
    ends = [interval.low, interval.high] if interval else []
    return {
        "paper": _paper_of(judgement),
        "table": claim.table,
        "claim": claim.id,
        "kind": claim.kind,
        "protocol": judgement.protocol if _takes_seeds(judgement) else None,
        "evidence_class": judgement.evidence,
        "verdict": judgement.verdict,
        "rows": list(judgement.rows),
        "seeds": len(judgement.seeds) if _takes_seeds(judgement) else None,
        "difference": judgement.difference,
        "interval": ends if ends and all(map(math.isfinite, ends)) else None,
        "p": judgement.p,
        "margin": judgement.margin,
    }


def _takes_seeds(judgement: Judgement) -> bool:
    """Whether seeds tell, and not a count or the weights as they are before the first step."""
    return not judgement.claim.is_counted and judgement.claim.metric != "own_frame"


def _paper_of(judgement: Judgement) -> str | None:
    """The paper that makes a claim; None for one of one's own."""
    from vswin.paper.claims import paper_claims
    from vswin.paper.printed import FOLDER

    papers = sorted(path.parent.name for path in FOLDER.glob("*/claims"))
    return next((paper for paper in papers if judgement.claim in paper_claims(paper)), None)


def _difference(judgement: Judgement) -> str:
    """With its interval and, where it is not points, its unit."""
    from vswin.paper.claims import TIMED
    from vswin.report.claims.wording import OF_COUNTS
    from vswin.report.overview.blocks import in_points

    claim, difference = judgement.claim, judgement.difference
    if difference is None:
        return ""
    if claim.kind == "ratio":
        return f"{difference:.3g} ×"
    if claim.kind == "bound":
        return f"{in_points(judgement)} %"
    unit = " s" if claim.metric in TIMED else f" {OF_COUNTS.get(claim.metric, '')}".rstrip()
    return f"{in_points(judgement)}{unit}"
