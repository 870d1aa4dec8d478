"""History from elsewhere: past incidents read from a CSV file of ServiceNow, Jira or anything.

A file goes through four stations: it is looked at (``profile``), its columns are given a meaning (``columns``), what
it would become is shown with figures and findings (``planning``), and it is written (``working``), all but the last
without changing anything. ``rollback`` takes a run away again. Imported incidents are over and page nobody.
"""
