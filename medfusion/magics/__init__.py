"""`%medfusion` and `%%medfusion` for notebooks: `%load_ext medfusion` brings them."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from medfusion.errors import InputError
from medfusion.magics.completion import Completion
from medfusion.magics.magic import MedFusionMagics

_loaded: dict[int, Completion] = {}


def load_ipython_extension(ip: Any) -> None:
    """Register the magics, their completion, and short messages for a user's mistakes.

    Args:
        ip: The IPython shell.
    """
    if id(ip) in _loaded:
        return
    ip.register_magics(MedFusionMagics)
    ip.set_custom_exc((InputError,), _show)
    completion = Completion()
    _loaded[id(ip)] = completion
    ip.Completer.custom_matchers.append(completion.match)


def unload_ipython_extension(ip: Any) -> None:
    """Take everything back that `load_ipython_extension` registered.

    Args:
        ip: The IPython shell.
    """
    completion = _loaded.pop(id(ip), None)
    if completion is None:
        return
    ip.Completer.custom_matchers.remove(completion.match)
    for kind in ("line", "cell"):
        ip.magics_manager.magics[kind].pop("medfusion", None)
    ip.set_custom_exc((), None)


def _show(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,  # noqa: ARG001 - IPython's signature
    tb_offset: int | None = None,  # noqa: ARG001
) -> list[str]:
    """Show a user's mistake as what it is: a message, without the path through our code."""
    message = [f"{kind.__name__}: {error}"]
    shell._showtraceback(kind, error, message)  # noqa: SLF001 - what IPython's own handlers call
    return message
