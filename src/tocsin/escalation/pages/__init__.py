"""Pages of escalation: policies, their editor, the simulator."""

from django.urls import URLPattern, path

from tocsin.escalation.pages.editor import delete, edit
from tocsin.escalation.pages.policies import policies, policy
from tocsin.escalation.pages.proof import proof

urlpatterns: list[URLPattern] = [
    path("on-call/proof/", proof, name="proof"),
    path("policies/", policies, name="policies"),
    path("policies/new/", edit, name="policy-new"),
    path("policies/<int:policy_id>/", policy, name="policy"),
    path("policies/<int:policy_id>/edit/", edit, name="policy-edit"),
    path("policies/<int:policy_id>/delete/", delete, name="policy-delete"),
]
