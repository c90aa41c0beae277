"""Names of a room that are imported when they are asked for (PEP 562)."""

import importlib
from collections.abc import Callable, Mapping, Sequence


def lazy_names(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package whose modules each have some of its names.

    >>> lazy_names("fkd_helpers.core", {"errors": ("InputError",)})("InputError").__module__
    'fkd_helpers.core.errors'
    """
    modules = {name: module for module, names in homes.items() for name in names}

    def find(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return find
