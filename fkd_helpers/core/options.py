"""Command-line options from a function's signature: its parameters are the options, its docstring their help."""

import argparse
import dataclasses
import inspect
import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

ARGUMENTS = "arguments"


class Parser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line, without its usage."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def add_options(parser: argparse.ArgumentParser, function: Callable) -> None:
    """Declare the parameters of a function as options.

    Keyword-only parameters are options, others are positional, `*names` takes one or more, a bool is a flag; what may
    be None may be left out. A dataclass stands for an option per field, with the `help` of the field's metadata; the
    function gets one, or, for a parameter called `fields`, a dict of the values that were given. A parameter called
    `arguments` is no option: it gets the command line, for functions that start other processes with it.
    """
    texts = help_texts(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if name == ARGUMENTS:
            continue
        kind, text = _type_of(parameter.annotation), texts.get(name, "")
        flag = f"--{name.replace('_', '-')}"
        if dataclasses.is_dataclass(kind):
            for field in dataclasses.fields(kind):
                words = f"{field.metadata.get('help', '')} ({field.default!r} if not given)".strip()
                option = field.metadata.get("option") or f"--{field.name.replace('_', '-')}"
                parser.add_argument(option, dest=field.name, type=_type_of(field.type), help=_escaped(words))
        elif parameter.kind is parameter.VAR_POSITIONAL:
            parser.add_argument(name, nargs="+", metavar=name.rstrip("s").upper(), type=kind, help=_escaped(text))
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            needed = parameter.default is parameter.empty
            default = None if needed else parameter.default
            parser.add_argument(name, nargs=None if needed else "?", default=default, type=kind, help=_escaped(text))
        elif kind is bool:
            parser.add_argument(flag, action="store_true", help=_escaped(text))
        else:
            required = parameter.default is parameter.empty
            default = None if required else parameter.default
            shown = "" if default in (None, "") else f" ({default})"
            words = _escaped(text + shown)
            parser.add_argument(flag, type=kind, default=default, required=required, metavar=name.upper(), help=words)


def call(function: Callable, options: argparse.Namespace) -> Any:
    """Call a function with the options that `add_options` declared for it."""
    positional, keywords = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = _type_of(parameter.annotation)
        if name == ARGUMENTS:
            keywords[name] = options.arguments
        elif dataclasses.is_dataclass(kind):
            given = {field.name: getattr(options, field.name) for field in dataclasses.fields(kind)}
            given = {key: value for key, value in given.items() if value is not None}
            keywords[name] = given if name == "fields" else kind(**given)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            positional += getattr(options, name)
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            positional.append(getattr(options, name))
        else:
            keywords[name] = getattr(options, name)
    return function(*positional, **keywords)


def help_texts(function: Callable) -> dict[str, str]:
    """Return the text of each parameter in the `Args:` of a docstring.

    >>> help_texts(add_options)
    {}
    """
    _, _, text = (inspect.getdoc(function) or "").partition("Args:\n")
    found = re.findall(r"^ {4}\*?(\w+): (.*(?:\n {5,}.*)*)", text, re.M)
    return {name: " ".join(words.split()) for name, words in found}


def _type_of(annotation) -> type:
    """Return the type that an option is read as: of `int | None` it is int."""
    if isinstance(annotation, types.UnionType):
        annotation = next(kind for kind in annotation.__args__ if kind is not types.NoneType)
    return annotation if annotation in (int, float, bool, Path) or dataclasses.is_dataclass(annotation) else str


def _escaped(text: str) -> str:
    return text.replace("%", "%%")  # argparse formats help texts
