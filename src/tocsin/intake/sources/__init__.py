"""Tools we listen to: one folder each."""
