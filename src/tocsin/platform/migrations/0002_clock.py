"""The clock: ``tocsin_now()`` is the database's clock plus a shift that is zero in real life."""

from django.db import migrations

FORWARD = """
INSERT INTO platform_clock (id, shift, config) VALUES (1, interval '0', 0) ON CONFLICT DO NOTHING;
CREATE OR REPLACE FUNCTION tocsin_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT clock_timestamp() + coalesce((SELECT shift FROM platform_clock WHERE id = 1), interval '0') $$;
"""


class Migration(migrations.Migration):
    dependencies = [("platform", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION tocsin_now()")]
