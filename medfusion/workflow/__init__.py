"""Workflows: graphs of steps in `.medfusion` files, run in the background, step by step."""

from medfusion.workflow.checks import Problem as Problem
from medfusion.workflow.folder import WorkflowFolder as WorkflowFolder
from medfusion.workflow.folder import is_workflow as is_workflow
from medfusion.workflow.graph import Edge as Edge
from medfusion.workflow.graph import Node as Node
from medfusion.workflow.graph import Workflow as Workflow

__all__ = ["Edge", "Node", "Problem", "Workflow", "WorkflowFolder", "is_workflow"]
