"""Command-line options from a function's signature: its parameters are the options, its docstring their help."""

import argparse
import dataclasses
import inspect
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path

from fkd_helpers.core.errors import InputError


class Parser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line, without its usage, and leaves out what was not given."""

    def __init__(self, *names, **options):
        super().__init__(*names, argument_default=argparse.SUPPRESS, **options)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def add_options(parser: Parser, function: Callable) -> None:
    """Declare the parameters of a function as options.

    Keyword-only parameters are options, others are positional, a `list[str]` takes one or more, a bool is a flag.
    `**fields` of a dataclass stands for an option per field, with the `help` of the field's metadata.
    """
    _, _, text = (inspect.getdoc(function) or "").partition("Args:\n")
    texts = {name: " ".join(words.split()) for name, words in re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", text, re.M)}
    for name, parameter in inspect.signature(function).parameters.items():
        kind, help = _type_of(parameter.annotation), texts.get(name, "")
        optional = parameter.default is not parameter.empty
        if parameter.kind is parameter.VAR_KEYWORD:
            for field in dataclasses.fields(parameter.annotation):
                _add_option(parser, field.name, _type_of(field.type), field.metadata.get("help", ""), field.default)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            _add_option(parser, name, kind, help, parameter.default if optional else None, required=not optional)
        else:
            nargs = "+" if parameter.annotation == list[str] else "?" if optional else None
            parser.add_argument(name, nargs=nargs, type=kind, help=help)


def _add_option(parser, name, kind, text, default, **rest) -> None:
    flag = dict(action="store_const", const=True) if kind is bool else dict(type=kind, metavar=name.upper())
    words = text if default in (None, "", False) else f"{text} ({default})".strip()
    words = words.replace("%", "%%")  # argparse formats help texts
    parser.add_argument(f"--{name.replace('_', '-')}", dest=name, help=words, **flag, **rest)


def run_script(function: Callable) -> None:
    """Call a script's main function with the options of the command line; what it returns is the exit code."""
    parser = Parser(description=(inspect.getdoc(function) or "").partition("\n")[0])
    add_options(parser, function)
    try:
        sys.exit(function(**vars(parser.parse_args())))
    except InputError as error:
        sys.exit(f"{parser.prog}: {error}")


def _type_of(annotation) -> type:
    """Return the type that an option is read as: of `int | None` it is int."""
    if isinstance(annotation, types.UnionType):
        annotation = next(kind for kind in annotation.__args__ if kind is not types.NoneType)
    return annotation if annotation in (int, float, bool, Path) else str
