"""What all sections of the run file share."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _number_not_bool(value: Any) -> Any:
    # pydantic takes `true` for 1, which nobody means by `seed: true`
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return value


Int = Annotated[int, BeforeValidator(_number_not_bool)]
Float = Annotated[float, BeforeValidator(_number_not_bool)]


class Section(BaseModel):
    """What all parts of the run file share: unknown keys are errors, values do not change."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=(), use_attribute_docstrings=True
    )
