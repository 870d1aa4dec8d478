"""What time it is, where there is no database to ask: the one place of the gateway that reads the machine's clock.

Signatures and what is kept over a restart need a moment that others understand. Intervals are the event loop's.
"""

import time


def now() -> float:
    """Seconds since 1970."""
    return time.time()
