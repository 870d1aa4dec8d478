"""Made-up companies of any size, as the three products would give them away."""

from tocsin.project.importing.tests.company.base import NOW, Size, key
from tocsin.project.importing.tests.company.oncall import grafana_oncall
from tocsin.project.importing.tests.company.opsgenie import opsgenie, opsgenie_folder
from tocsin.project.importing.tests.company.pagerduty import pagerduty

__all__ = ["NOW", "Size", "grafana_oncall", "key", "opsgenie", "opsgenie_folder", "pagerduty"]
