"""Errors, files, records and configs: what every other room uses."""
