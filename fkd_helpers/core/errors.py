"""Exceptions for invalid user input."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something from outside is not what was expected; one line says what came and what was expected.

    Every public function raises it for what its caller can get wrong; docstrings do not repeat that. The command line
    prints the line alone and exits with 2. Everything else is a fault of ours and keeps its traceback.
    """


def unknown(kind: str, name: object, options: Iterable[str]) -> InputError:
    """Return the error for a name that is not among `options`, with the nearest one as a suggestion.

    >>> str(unknown("model", "smal", ["small", "course_cnn"]))
    "unknown model 'smal': did you mean 'small'? Known: course_cnn, small"
    """
    options = sorted(options)
    near = difflib.get_close_matches(str(name), options, n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    return InputError(f"unknown {kind} {str(name)!r}{hint} Known: {', '.join(options)}")
