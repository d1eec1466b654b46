"""What models are asked: the kinds of label, with their loss, scores and metrics.

Another task is one more file with a class that fulfils `vswin.tasks.task.Task`, and its name in
`Task` and `TASKS` below.
"""

from vswin.tasks.classification import SingleLabel

Task = SingleLabel
"""Any task, as a run's configuration holds it; the members of a union are told apart by `kind`."""
SINGLE_LABEL = SingleLabel()
TASKS: tuple[type[Task], ...] = (SingleLabel,)


def title(metric: str) -> str:
    """How a metric is printed, whatever the task; its own name if no task has it."""
    return next((task.METRICS[metric] for task in TASKS if metric in task.METRICS), metric)
