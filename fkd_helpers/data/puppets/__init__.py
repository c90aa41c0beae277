"""The embedded default: faces warped from two public-domain portraits, with exact labels."""

from fkd_helpers.data.puppets.portraits import PORTRAITS
from fkd_helpers.data.puppets.puppet import Info, Puppet, make_face, make_puppet, make_set, put_face, stream
