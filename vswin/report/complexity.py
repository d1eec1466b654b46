"""Section C of the MViT appendix as a page: its formulas beside what is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vswin.costs.complexity import (
    MHPA,
    attentions,
    count,
    elements,
    memory,
    multiply_accumulates,
    runtime,
)
from vswin.files import require_writable, write_text
from vswin.models.mvit.config import Triple
from vswin.models.mvit.geometry import Pool
from vswin.models.registry import resolve_config
from vswin.project import results_path
from vswin.report.data import Item, Section
from vswin.report.page import Page, as_address, render
from vswin.report.pictures.formulas import Formulas, Panel, Series
from vswin.report.pictures.written import write_picture

NAME = "sectionC"
KERNEL: Triple = (3, 3, 3)
STRIDES: dict[str, Triple] = {
    "none": (1, 1, 1),
    "1×2×2": (1, 2, 2),
    "1×4×4": (1, 4, 4),
    "1×8×8": (1, 8, 8),
}
SIDES, CHANNELS, HEADS = (8, 16, 24, 32, 40, 48, 56), (96, 192, 384, 768, 1536), (1, 2, 4, 8, 16)
SMALL: Triple = (8, 16, 16)
"""The grid of the sweeps over channels and heads."""
STAGES = ("scale₂", "scale₃", "scale₄", "scale₅")
TEXT = (
    ("embeddings of Q, K and V", "THW D²", "3, and 1/f_q for the linear layer behind"),
    ("attention matrix, and sum of values", "T²H²W² D / (f_q f_k)", "2"),
    ("pooling Q, K or V", "THW D k_T k_H k_W / (s_T s_H s_W)", "1"),
    ("memory of sequences", "THW D", "1 + 1/f_q; for Q, K, V each 1, pooled 1 + 2/f"),
    ("memory of the attention matrix", "T²H²W² h / (f_q f_k)", "1"),
)
"""Of all heads: what, the order that the text gives, the constant that was found."""


def write_complexity(results_dir: str | Path) -> list[Path]:
    """Writes the page as HTML and Markdown, and its picture, under <results>/reports.

    Args:
        results_dir: the store's folder; a relative one counts from the project's root.

    Raises:
        NotWritableError: if the results folder cannot be written.
    """
    folder = require_writable(results_path(results_dir) / "reports")
    html, markdown, png = (folder / f"{NAME}.{suffix}" for suffix in ("html", "md", "png"))
    page = complexity_page()
    write_picture(page.pictures["formulas"], png)
    write_text(markdown, render("report.md.j2", page, {"formulas": png.name}))
    write_text(html, render("report.html.j2", page, {"formulas": as_address(png.read_bytes())}))
    return [html, markdown, png]


def complexity_page() -> Page:
    """All that is said, counted anew."""
    picture = formulas_of()
    farthest = 100 * max(panel.farthest for panel in picture.panels)
    return Page(
        title="Section C: computational analysis of multi head pooling attention",
        verdict=[
            f"With their constants, the formulas are within {farthest:.1f} % of what is counted.",
            "“To hold the effect of (D + h THW/(f_q f_k)) roughly constant”: with the default, "
            "adaptive strides, it doubles from stage to stage.",
        ],
        source="arXiv 2104.11227, appendix, section C. Counted on shapes alone.",
        shows="",
        registration="",
        sections=[_formulas(), _stages(), _design_choice()],
        command=f"vswin report {NAME}",
        training="",
        pictures={"formulas": picture},
    )


def _formulas() -> Section:
    return Section(
        "Formulas and counts",
        ["part", "order in the text, all heads", "constant found"],
        [list(line) for line in TEXT],
        note="What differs is the class token, which the text leaves out and counted attentions "
        "have. The text's f_h, which occurs once, is read as f_k.",
        level=2,
        picture="formulas",
    )


def _stages() -> Section:
    adaptive = _last_of_stages()
    fixed = _last_of_stages(kv_adaptive=False, kv_pool_last_stage=True)
    lines = [
        [
            stage,
            *(f"{number:,}" for number in (a.dim, a.heads, a.length)),
            f"{memory(a) / a.length:,.0f}",
            f"{memory(f) / f.length:,.0f}",
            f"{runtime(a) / 1e9:.2f}",
            f"{memory(a) / 1e6:.1f}",
        ]
        for stage, a, f in zip(STAGES, adaptive, fixed, strict=True)
    ]
    term = "D + h THW/(f_q f_k)"
    return Section(
        "The design choice, stage by stage",
        ["stage", "D", "h", "THW", term, f"{term}, fixed stride", "runtime, 10⁹", "memory, 10⁶"],
        lines,
        before="MViT-B 16×4 with K and V pooled by 1×8×8, adaptive but for one column. Of each "
        "stage the last attention, in which queries are not pooled. Orders without constants.",
        level=2,
    )


def _design_choice() -> Section:
    texts = (
        "“The channel capacity is increased to keep the computational time spent (FLOPs) roughly "
        "the same for each stage”: THW D² is the same in all stages. What comes from attention, "
        "THW D THW/(f_q f_k), halves from stage to stage.",
        "“To hold the effect of (D + h THW/(f_q f_k)) roughly constant”: with adaptive strides K "
        "and V keep their size, THW/f_k is the same in all stages, and D and h double. With a "
        "fixed stride the term stays within a factor of about two. Times THW, which is memory, it "
        "falls either way.",
    )
    return Section("What that says", items=[Item(text) for text in texts], level=2)


def formulas_of() -> Formulas:
    """The four sweeps."""
    return Formulas(
        "Multi head pooling attention: formulas of section C, and what is counted",
        (
            "One attention with its linear layers, pooled by 3×3×3 convolutions, for one clip with "
            "a class token. Memory is what the eager model keeps for the backward pass. The "
            "formulas have their constants.",
        ),
        (
            _sweep(
                "Runtime over length; T = 8, D = 96, h = 1",
                "L = THW, for H = W = 8 to 56",
                {8 * side * side: "" for side in SIDES},
                lambda stride: [_attention((8, side, side), stride) for side in SIDES],
            ),
            _sweep(
                "Runtime over channels; 8×16×16 tokens, h = 1",
                "D",
                {dim: f"{dim}" for dim in CHANNELS},
                lambda stride: [_attention(SMALL, stride, dim) for dim in CHANNELS],
            ),
            _sweep(
                "Memory over heads; 8×16×16 tokens, D = 384",
                "h",
                {heads: f"{heads}" for heads in HEADS},
                lambda stride: [_attention(SMALL, stride, 384, heads) for heads in HEADS],
                of_memory=True,
            ),
            _sweep(
                "Runtime over the stages of MViT-B 16×4",
                "stage; the strides are those of scale₂, and adaptive",
                dict(enumerate(STAGES)),
                lambda stride: _last_of_stages(kv_stride=stride),
            ),
        ),
    )


def _sweep(
    title: str,
    x_title: str,
    places: dict[int, str],
    attentions_with: Callable[[Triple], Sequence[MHPA]],
    of_memory: bool = False,
) -> Panel:
    """A panel with a line for each stride of keys and values."""
    unit, formula = (1e6, elements) if of_memory else (1e9, multiply_accumulates)
    series = []
    for label, stride in STRIDES.items():
        found = attentions_with(stride)
        counts = [count(a) for a in found]
        series.append(
            Series(
                label,
                tuple(formula(a) / unit for a in found),
                tuple((c.elements if of_memory else c.multiply_accumulates) / unit for c in counts),
            )
        )
    y_title = "10⁶ numbers" if of_memory else "10⁹ multiply-accumulates"
    return Panel(title, x_title, y_title, tuple(places), tuple(places.values()), tuple(series))


def _attention(grid: Triple, stride: Triple, dim: int = 96, heads: int = 1) -> MHPA:
    pool = None if stride == STRIDES["none"] else Pool(KERNEL, stride)
    return MHPA(grid, dim, heads, kv=pool)


def _last_of_stages(**options: Any) -> list[MHPA]:
    """Of MViT-B 16x4, the last attention of each stage."""
    config = resolve_config("mvit_b_16x4", **options)
    found = attentions(config)
    ends = [sum(config.depths[: stage + 1]) for stage in range(len(config.depths))]
    return [found[end - 1] for end in ends]
