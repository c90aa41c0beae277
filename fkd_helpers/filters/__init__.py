"""Face filters: sprites, hidden faces, head axes."""

from fkd_helpers.filters.filters import FILTERS, face_filter, face_outline, wear
