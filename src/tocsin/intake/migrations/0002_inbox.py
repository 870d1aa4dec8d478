"""The inbox is a queue: rows live for milliseconds. Its moment of arrival is the database's."""

from django.db import migrations

FORWARD = """
ALTER TABLE intake_inbox ALTER COLUMN received_at SET DEFAULT tocsin_now();
ALTER TABLE intake_inbox SET (
  fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000, autovacuum_vacuum_cost_delay = 0
);
"""
BACKWARD = "ALTER TABLE intake_inbox ALTER COLUMN received_at DROP DEFAULT"


class Migration(migrations.Migration):
    dependencies = [("intake", "0001_initial"), ("platform", "0002_clock")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
