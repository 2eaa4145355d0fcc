"""A problem with a known answer for strategies that train: the value of every layer is known, see `tasks.planted`."""

from archloom.problems import TaskProblem
from archloom.tasks.planted import PlantedTask
from archloom.testing import PlantedSpace

problem = TaskProblem(PlantedSpace(), PlantedTask())
