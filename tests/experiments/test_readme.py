"""experiments/README.md: every key is explained, and its example works from end to end."""

import dataclasses
import re
import sys

import pytest

from tests.documents import execute
from vswin.data.moving_digits import GridTest, MovingDigits
from vswin.experiments import embedded, geometry, recipes, tables, videos
from vswin.experiments.laying import lay_project
from vswin.paper import claims
from vswin.project import project_root
from vswin.training.recipe import Recipe

TEXT = (project_root() / "experiments" / "README.md").read_text()
PARTS = {
    "Keys of an experiment": tables.Experiment,
    "A row": tables.Row,
    "`start`": tables.Start,
    "`videos` of an experiment": tables.OnVideos,
    "`videos` of a row": tables.RowOnVideos,
    "A claim": claims.Claim,
    "`margins`": claims.Margins,
    "`bounds`": claims.Bounds,
    "`models` of a claim": claims.Counted,
    "Keys of a protocol on Moving Digits": embedded.EmbeddedProtocol,
    "`geometry`": geometry.Geometry,
    "`data`": MovingDigits,
    "`test`": GridTest,
    "`appearance`": embedded.AppearanceTask,
    "Keys of a protocol on videos": videos.VideoProtocol,
    "`small`": videos.Rehearsal,
    "`small.pretraining`": videos.Substitute,
    "Keys of a recipe": recipes.RecipeBook,
    "A value": recipes.Entry,
    "`when`": recipes.When,
    "Settings": recipes.Fields,
}
"""What the keys below a heading are those of."""


def keys(kind):
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    fields = kind.model_fields.items()
    return [field.alias or name for name, field in fields if not field.exclude]


def explained(heading):
    """The keys in the table below a heading, and what is said of each."""
    part = re.split(r"^#", TEXT.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", part, re.M))


@pytest.mark.parametrize("heading", PARTS)
def test_every_key_is_explained_and_no_other(heading):
    found = explained(heading)
    assert sorted(found) == sorted(keys(PARTS[heading]))
    assert all(len(words) > 3 for words in found.values())


def schemas(kind, seen):
    """All kinds of data that a file of a kind holds."""
    if kind in seen:
        return
    seen.add(kind)
    for annotation in {f.annotation for f in getattr(kind, "model_fields", {}).values()}:
        for other in re.findall(r"vswin[\w.]+", repr(annotation)):
            module, _, name = other.rpartition(".")
            found = getattr(sys.modules.get(module), name, None)
            if isinstance(found, type):
                schemas(found, seen)


def test_every_kind_of_data_in_these_files_has_a_part():
    seen = set()
    for kind in (tables.Experiment, embedded.EmbeddedProtocol, videos.VideoProtocol):
        schemas(kind, seen)
    same = {embedded.Pretraining: {"data", "recipe", "test"}}  # explained in a line
    for kind, names in same.items():
        assert set(keys(kind)) == names
    settings = set(keys(Recipe)) | {*recipes.MODEL_FIELDS, *recipes.DATA_FIELDS}
    assert settings == set(keys(recipes.Fields))
    assert seen - {Recipe, *same} <= set(PARTS.values()), seen - set(PARTS.values())
    assert {tables.Start, geometry.Geometry, MovingDigits, videos.Substitute} <= seen


def example():
    """The experiment that the README shows, and the commands below it."""
    content, commands = re.search(r"```yaml\n(.*?)```.*?```\n(.*?)```", TEXT, re.S).groups()
    return content, [line.split()[1:] for line in commands.splitlines()]


def test_the_example_works_as_the_readme_says(tmp_path):
    content, commands = example()
    project = lay_project(tmp_path / "project")
    (project / "experiments" / "mine.yaml").write_text(content)
    found = execute("experiments/README.md", project, lambda words: words[1:] in commands)
    said = {line.split()[1]: printed for line, printed in found.items()}
    assert [*said] == ["list", "cost", "run", "report", "notebook"]
    for row in ("short", "long", "split"):
        assert row in said["list"]
        assert row in said["cost"]
    assert "3 runs complete" in said["run"]
    assert "3 of 3 rows trained under protocol smoke (3 runs)" in said["report"]
    reports = {path.name for path in (project / "results" / "reports").iterdir()}
    suffixes = ("html", "md", "png", "curves.png", "ipynb")
    assert reports == {f"mine.smoke.{suffix}" for suffix in suffixes}
    page = (project / "results" / "reports" / "mine.smoke.md").read_text()
    assert "16×7×7 → 8×3×3" in page  # what was really trained
