"""Command-line options from a function's signature: its parameters are the options, its docstring their help."""

import argparse
import dataclasses
import inspect
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fkd_helpers.core.errors import InputError


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
    texts = _help_texts(function)
    for name, parameter in inspect.signature(function).parameters.items():
        kind, text = _type_of(parameter.annotation), texts.get(name, "")
        required = parameter.default is parameter.empty
        default = None if required else parameter.default
        if dataclasses.is_dataclass(kind):
            for field in dataclasses.fields(kind):  # stored as None if it was not given
                words = field.metadata.get("help", "")
                _add_option(parser, field.name, _type_of(field.type), words, field.default, default=None)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            parser.add_argument(name, nargs="+", metavar=name.rstrip("s").upper(), type=kind, help=text)
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            optional = {} if required else dict(nargs="?", default=default)
            parser.add_argument(name, type=kind, help=text, **optional)
        elif name != "arguments":
            _add_option(parser, name, kind, text, default, default=default, required=required)


def _add_option(parser, name, kind, text, shown, **rest) -> None:
    flag = dict(action="store_const", const=True) if kind is bool else dict(type=kind, metavar=name.upper())
    words = text if shown in (None, "", False) else f"{text} ({shown})".strip()
    words = words.replace("%", "%%")  # argparse formats help texts
    parser.add_argument(f"--{name.replace('_', '-')}", dest=name, help=words, **flag, **rest)


def call(function: Callable, options: argparse.Namespace) -> Any:
    """Call a function with the options that `add_options` declared for it."""
    positional, keywords = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = _type_of(parameter.annotation)
        if dataclasses.is_dataclass(kind):
            given = {field.name: getattr(options, field.name) for field in dataclasses.fields(kind)}
            given = {key: value for key, value in given.items() if value is not None}
            keywords[name] = given if name == "fields" else kind(**given)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            keywords[name] = getattr(options, name)
        else:
            value = getattr(options, name)
            positional += value if isinstance(value, list) else [value]
    return function(*positional, **keywords)


def run_script(function: Callable) -> None:
    """Call a script's main function with the options of the command line; what it returns is the exit code."""
    parser = Parser(description=(inspect.getdoc(function) or "").partition("\n")[0])
    add_options(parser, function)
    try:
        sys.exit(call(function, parser.parse_args()))
    except InputError as error:
        sys.exit(f"{parser.prog}: {error}")


def _help_texts(function: Callable) -> dict[str, str]:
    """Return the text of each parameter in the `Args:` of a docstring."""
    _, _, text = (inspect.getdoc(function) or "").partition("Args:\n")
    found = re.findall(r"^ {4}\*?(\w+): (.*(?:\n {5,}.*)*)", text, re.M)
    return {name: " ".join(words.split()) for name, words in found}


def _type_of(annotation) -> type:
    """Return the type that an option is read as: of `int | None` it is int."""
    if isinstance(annotation, types.UnionType):
        annotation = next(kind for kind in annotation.__args__ if kind is not types.NoneType)
    return annotation if annotation in (int, float, bool, Path) or dataclasses.is_dataclass(annotation) else str
