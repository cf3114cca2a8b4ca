"""What implements a spec: `@register` on a plain class or function, `create`, `list_kinds`.

A spec class has a `family` ("fusion") and a `kind` ("gated"); the registry knows which class or
function makes the thing itself. Looking a spec up by its type leaves no names to misspell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from medfusion.errors import UnknownNameError, unknown
from medfusion.spec.base import Spec

Maker = TypeVar("Maker", bound=Callable[..., Any])

_makers: dict[str, dict[str, tuple[type[Spec], Callable[..., Any]]]] = {}


def kind_of(spec: type[Spec]) -> str:
    """Return the `kind` that a spec class stands for."""
    return str(spec.model_fields["kind"].default)


def register(spec: type[Spec]) -> Callable[[Maker], Maker]:
    """Name the class or function that makes what a spec describes.

    Args:
        spec: A spec class with a family and a kind.

    Raises:
        ValueError: The kind is taken.
    """

    def remember(maker: Maker) -> Maker:
        kinds = _makers.setdefault(spec.family, {})
        kind = kind_of(spec)
        if kind in kinds and kinds[kind][1] is not maker:
            msg = f"{spec.family} {kind!r} is registered already"
            raise ValueError(msg)
        kinds[kind] = (spec, maker)
        return maker

    return remember


def create(spec: Spec, /, **context: Any) -> Any:
    """Make what a spec describes: the registered class or function, called with it.

    Args:
        spec: The spec, handed over as the first argument.
        context: What the family adds, such as the widths of the inputs.

    Raises:
        UnknownNameError: Nothing is registered for this spec; the known kinds are listed.
    """
    _, maker = _find(spec.family, kind_of(type(spec)))
    return maker(spec, **context)


def list_kinds(family: str | None = None) -> list[str]:
    """Return the registered kinds of a family, or the families.

    Raises:
        UnknownNameError: There is no such family.
    """
    if family is None:
        return sorted(_makers)
    if family not in _makers:
        raise UnknownNameError(unknown("family", family, _makers))
    return sorted(_makers[family])


def describe(family: str, kind: str) -> tuple[type[Spec], Callable[..., Any]]:
    """Return the spec class and the maker of a kind.

    Raises:
        UnknownNameError: There is no such family or kind.
    """
    return _find(family, kind)


def _find(family: str, kind: str) -> tuple[type[Spec], Callable[..., Any]]:
    if family not in _makers:
        raise UnknownNameError(unknown("family", family, _makers))
    kinds = _makers[family]
    if kind not in kinds:
        raise UnknownNameError(unknown(family, kind, kinds))
    return kinds[kind]
