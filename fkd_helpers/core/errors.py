"""What goes wrong in a user's hands, said in one line."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something that came from outside is not what was expected; the message says what came and what was.

    The command line prints the message alone and exits with 2; everything else is a fault of ours and keeps its
    traceback.
    """


def unknown(kind: str, name: object, options: Iterable[str]) -> InputError:
    """Build the error for a name that is not among `options`, with the nearest one as a suggestion.

    >>> str(unknown("model", "smal", ["small", "course_cnn"]))
    "unknown model 'smal': did you mean 'small'? Known: course_cnn, small"
    """
    options = sorted(options)
    near = difflib.get_close_matches(str(name), options, n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    return InputError(f"unknown {kind} {str(name)!r}{hint} Known: {', '.join(options)}")
