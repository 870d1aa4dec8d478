"""Measurements of Tocsin beside Prometheus Alertmanager, in one run on one machine. ``make bench``."""
