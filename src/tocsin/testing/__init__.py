"""What every plug-in has to keep, as checks that its own tests run: ``sources.checks`` and ``channels.checks``.

Plain functions that assert; any test runner will do. Tocsin's own plug-ins are held to the same.
"""
