"""The paper's claims, judged: which of them hold, and by what evidence."""

from vswin.report.claims.adjusting import with_holm
from vswin.report.claims.judgement import VERDICTS, Judgement, Step, Verdict
from vswin.report.claims.judging import all_claims, judge, judge_all, judge_claims
from vswin.report.claims.printed import assumptions, printed_evidence, printed_in_words
from vswin.report.claims.sources import ClaimError, Studies

__all__ = [
    "VERDICTS",
    "ClaimError",
    "Judgement",
    "Step",
    "Studies",
    "Verdict",
    "all_claims",
    "assumptions",
    "judge",
    "judge_all",
    "judge_claims",
    "printed_evidence",
    "printed_in_words",
    "with_holm",
]
