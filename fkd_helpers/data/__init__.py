"""Labelled faces: sets, tables and folders, downloads, the embedded puppets."""

from fkd_helpers.data.faceset import CLASSIC, EXTRA_HELD_OUT, FaceSet, complete_only, person_of, split
from fkd_helpers.data.labels import as_labelled, centred, shift_of, write_classic
from fkd_helpers.data.loading import data_dirs, find, load
