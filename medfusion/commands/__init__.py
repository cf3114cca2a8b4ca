"""The verbs of the command line and of the magics: parsed, executed, never printed here."""

from medfusion.commands.outcome import Outcome as Outcome
from medfusion.commands.parser import execute as execute
from medfusion.commands.parser import parser as parser

__all__ = ["Outcome", "execute", "parser"]
