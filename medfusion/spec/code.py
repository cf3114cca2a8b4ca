"""An Experiment as Python code that builds the same Experiment."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

WIDTH = 88


def to_python(experiment: BaseModel) -> str:
    """Return code that gives an equal Experiment; values equal to their default are left out."""
    return (
        f"import medfusion as mf\nfrom medfusion import spec\n\nexp = mf.{_call(experiment, 0)}\n"
    )


def _call(spec: BaseModel, indent: int) -> str:
    given = [
        f"{name}={_value(getattr(spec, name), indent + 4)}"
        for name, field in type(spec).model_fields.items()
        if name != "kind"
        and (
            field.is_required()
            or getattr(spec, name) != field.get_default(call_default_factory=True)
            or _stated_empty(spec, name)
        )
    ]
    return _wrap(f"{type(spec).__name__}(", given, ")", indent)


def _stated_empty(spec: BaseModel, name: str) -> bool:
    # `images={}` said aloud means more than images left out.
    return name in spec.model_fields_set and getattr(spec, name) in ({}, ())


def _value(value: Any, indent: int) -> str:
    if isinstance(value, BaseModel):
        return f"spec.{_call(value, indent)}"
    if isinstance(value, dict):
        items = [f"{key!r}: {_value(item, indent + 4)}" for key, item in value.items()]
        return _wrap("{", items, "}", indent)
    if isinstance(value, tuple):
        items = [_value(item, indent + 4) for item in value]
        return _wrap("[", items, "]", indent)
    return repr(value)


def _wrap(head: str, parts: list[str], tail: str, indent: int) -> str:
    line = head + ", ".join(parts) + tail
    if "\n" not in line and indent + len(line) <= WIDTH:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{part},\n" for part in parts)
    return f"{head}\n{inner}{' ' * indent}{tail}"
