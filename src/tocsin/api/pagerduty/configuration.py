"""The operations of the configuration side: what is paged, whom, how and when."""

from tocsin.api.pagerduty import (
    contacts,
    empties,
    integrations,
    oncalls,
    overrides,
    policies,
    schedules,
    services,
    teams,
    users,
    windows,
)

ROUTES = (
    *contacts.ROUTES,
    *empties.ROUTES,
    *integrations.ROUTES,
    *oncalls.ROUTES,
    *overrides.ROUTES,
    *policies.ROUTES,
    *schedules.ROUTES,
    *services.ROUTES,
    *teams.ROUTES,
    *users.ROUTES,
    *windows.ROUTES,
)
