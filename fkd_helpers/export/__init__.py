"""Trained networks in the formats that others run, each compared with the original."""

from fkd_helpers.export.compare import compare_files, export, export_and_compare, table, trial_for
from fkd_helpers.export.formats import FORMATS, Source, source_of
from fkd_helpers.export.quantise import METHODS, write_int8
