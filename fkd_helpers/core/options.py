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
        kind, text, default = _type_of(parameter.annotation), texts.get(name, ""), parameter.default
        required = default is parameter.empty
        if name == ARGUMENTS:
            continue
        if dataclasses.is_dataclass(kind):
            for field in dataclasses.fields(kind):
                flag, words = field.metadata.get("option"), field.metadata.get("help", "")
                _add_option(parser, field.name, _type_of(field.type), field.default, words, flag, shared=True)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            _add_option(parser, name, kind, default, text, required=required)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            parser.add_argument(name, nargs="+", metavar=name.rstrip("s").upper(), type=kind, help=text)
        else:
            default, nargs = (None, None) if required else (default, "?")
            parser.add_argument(name, nargs=nargs, default=default, type=kind, help=text)


def _add_option(parser, name, kind, default, text, flag=None, *, required=False, shared=False) -> None:
    """Declare one option; a shared one belongs to a dataclass, whose default holds if None comes."""
    flag = flag or f"--{name.replace('_', '-')}"
    shown = "" if required or default in (None, "", False) else f" ({default})"
    words = f"{text}{shown}".strip().replace("%", "%%")  # argparse formats help texts
    if kind is bool:
        parser.add_argument(flag, dest=name, action="store_const", const=True, default=None if shared else False,
                            help=words)  # fmt: skip
    else:
        first = None if required or shared else default
        parser.add_argument(flag, dest=name, type=kind, default=first, required=required, metavar=name.upper(),
                            help=words)  # fmt: skip


def call(function: Callable, options: argparse.Namespace) -> Any:
    """Call a function with the options that `add_options` declared for it."""
    positional, keywords = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = _type_of(parameter.annotation)
        if dataclasses.is_dataclass(kind):
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
