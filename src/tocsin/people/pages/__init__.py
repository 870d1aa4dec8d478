"""Pages about people: who is here, how they are reached, what they may do, and how they come in."""

from django.urls import URLPattern, path

from tocsin.people.pages import people, reach, sign_in, teams, tokens

urlpatterns: list[URLPattern] = [
    *sign_in.urlpatterns,
    path("people/", people.people, name="people"),
    path("people/new/", people.edit, name="person-new"),
    path("people/teams/", teams.teams, name="teams"),
    path("people/teams/new/", teams.edit, name="team-new"),
    path("people/teams/<int:team_id>/", teams.team, name="team"),
    path("people/teams/<int:team_id>/edit/", teams.edit, name="team-edit"),
    path("people/teams/<int:team_id>/delete/", teams.delete, name="team-delete"),
    path("people/<int:user_id>/", people.person, name="person"),
    path("people/<int:user_id>/edit/", people.edit, name="person-edit"),
    path("people/<int:user_id>/pages/", people.pages, name="person-pages"),
    path("people/<int:user_id>/switch/", people.switch, name="person-switch"),
    path("people/<int:user_id>/delete/", people.delete, name="person-delete"),
    path("people/<int:user_id>/methods/add/", reach.add, name="method-add"),
    path("people/<int:user_id>/rules/", reach.notification_rules, name="notification-rules"),
    path("people/methods/<int:method_id>/edit/", reach.change, name="method-edit"),
    path("people/methods/<int:method_id>/delete/", reach.remove, name="method-delete"),
    path("settings/you/", people.person, name="you"),
    path("settings/tokens/", tokens.tokens, name="tokens"),
    path("settings/tokens/revoke/", tokens.revoke, name="token-revoke"),
]
