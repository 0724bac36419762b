"""Graphs of organizations: loaded, kept current by their events, forgotten."""
