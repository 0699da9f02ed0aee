"""The tasks that recipes name."""

from pipelines.tasks.pronunciation import PRONUNCIATION
from pipelines.tasks.translation import TRANSLATION

TASKS = {task.name: task for task in (TRANSLATION, PRONUNCIATION)}
