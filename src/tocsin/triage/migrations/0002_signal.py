"""Decided signals: append-only, partitioned by week of arrival; retention drops whole partitions.

The default partition catches what no week was made for (a shifted clock, an engine that was away): nothing is refused.
"""

from django.db import migrations

FORWARD = """
CREATE TABLE triage_signal (
  id bigint NOT NULL,
  source_id integer NOT NULL,
  action varchar(12) NOT NULL,
  dedup_key text NOT NULL,
  severity varchar(10) NOT NULL,
  title text NOT NULL,
  data jsonb NOT NULL,
  occurred_at timestamptz,
  received_at timestamptz NOT NULL,
  decided_at timestamptz NOT NULL,
  outcome varchar(24) NOT NULL,
  rule varchar(120) NOT NULL,
  reason text NOT NULL,
  service_id integer,
  alert_id bigint,
  incident_id bigint,
  PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);
CREATE TABLE triage_signal_rest PARTITION OF triage_signal DEFAULT;
CREATE INDEX triage_signal_alert ON triage_signal (alert_id, id) WHERE alert_id IS NOT NULL;
CREATE INDEX triage_signal_source ON triage_signal (source_id, id);

-- Makes the weekly partitions that cover [since, until]; a week whose rows already lie in the default partition is left.
CREATE OR REPLACE FUNCTION triage_make_partitions(since timestamptz, until timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  week timestamptz := date_trunc('week', since AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
  made integer := 0;
  part text;
BEGIN
  WHILE week <= until LOOP
    part := 'triage_signal_' || to_char(week AT TIME ZONE 'UTC', 'IYYY"w"IW');
    IF to_regclass(part) IS NULL
       AND NOT EXISTS (SELECT FROM triage_signal_rest WHERE received_at >= week AND received_at < week + interval '7 days')
    THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF triage_signal FOR VALUES FROM (%L) TO (%L)',
                     part, week, week + interval '7 days');
      made := made + 1;
    END IF;
    week := week + interval '7 days';
  END LOOP;
  RETURN made;
END $$;
SELECT triage_make_partitions(tocsin_now(), tocsin_now() + interval '14 days');
"""
BACKWARD = "DROP TABLE triage_signal; DROP FUNCTION triage_make_partitions(timestamptz, timestamptz)"


class Migration(migrations.Migration):
    dependencies = [("triage", "0001_initial"), ("platform", "0002_clock")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
