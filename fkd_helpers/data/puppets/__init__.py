"""The embedded default: faces warped from two public-domain portraits, with exact labels."""
