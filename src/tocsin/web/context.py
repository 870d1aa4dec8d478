"""What every page's shell shows."""

from django.http import HttpRequest

from tocsin import __version__


def shell(request: HttpRequest) -> dict[str, object]:
    """Template variables of the shell: ``csp_nonce``, ``version``."""
    return {"csp_nonce": getattr(request, "csp_nonce", ""), "version": __version__}
