"""The fast door of the web process; see ``door.door`` for the way of a request, ``door.committer`` for durability."""

from tocsin.intake.door.door import Door

__all__ = ["Door"]
