"""Config as code: the configuration of an installation as YAML, planned, applied and exported."""
