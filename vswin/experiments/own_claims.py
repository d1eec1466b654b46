"""Claims of an ablation of one's own, as its experiment says them."""

from __future__ import annotations

from typing import Any

from vswin.paper.claims import COUNTED, OF_DIGITS, TIMED, Claim
from vswin.tasks import TASKS


def require_measured(claim: Claim) -> None:
    """Refuses a claim that no run could decide.

    Raises:
        ValueError: if nothing measures its metric, or its kind takes what an ablation has not.
    """
    of_tasks = [metric for task in TASKS for metric in task.METRICS]
    known = [*of_tasks, *OF_DIGITS, *TIMED, *COUNTED, "own_frame"]
    if claim.metric not in known:
        raise ValueError(
            f"claim {claim.id}: nothing measures {claim.metric}; known: {', '.join(known)}"
        )
    if claim.kind == "ratio" and not claim.is_counted:
        counted = ", ".join(COUNTED)
        raise ValueError(f"claim {claim.id}: a ratio is of {counted}, not of {claim.metric}")
    if claim.kind == "level":
        raise ValueError(f"claim {claim.id}: kind level takes a printed number, and there is none")


def with_usual(claim: Any, table: Any) -> Any:
    """A claim as it is written in an experiment, its table and class of evidence said."""
    if not isinstance(claim, dict):
        return claim
    evidence = "counted" if claim.get("metric") in COUNTED else "open test"
    return {"table": table, "evidence": evidence} | claim
