"""Lists that clients ask for at their start and of which there is nothing here: extensions, licences."""

from tocsin.api.pagerduty.asking import Answer, Asked


def extension_schemas(asked: Asked) -> Answer:
    """Nothing is added to services by extensions."""
    return asked.listed("extension_schemas", (), list)


def extensions(asked: Asked) -> Answer:
    """Nothing is added to services by extensions."""
    return asked.listed("extensions", (), list)


def licenses(asked: Asked) -> Answer:
    """Nobody needs a licence."""
    return Answer({"licenses": []})


def license_allocations(asked: Asked) -> Answer:
    """Nobody needs a licence."""
    return asked.listed("license_allocations", (), list)


ROUTES = (
    ("GET", "/extension_schemas", extension_schemas),
    ("GET", "/extensions", extensions),
    ("GET", "/licenses", licenses),
    ("GET", "/license_allocations", license_allocations),
)
