"""Trained networks in the formats that others run, each compared with the original."""

from fkd_helpers.export.formats import FORMATS, export, table
