"""Pages of delivery: the pocket phone, the page behind an action link, what was sent, web push, webhooks,
providers, and what comes in from them, the canary."""

from tocsin.delivery.pages.canary import urlpatterns as canary
from tocsin.delivery.pages.incoming import urlpatterns as incoming
from tocsin.delivery.pages.messages import note_of
from tocsin.delivery.pages.messages import urlpatterns as messages
from tocsin.delivery.pages.providers import urlpatterns as providers
from tocsin.delivery.pages.push import urlpatterns as push
from tocsin.delivery.pages.verifying import urlpatterns as verifying
from tocsin.delivery.pages.webhooks import urlpatterns as webhooks

urlpatterns = [*messages, *push, *verifying, *webhooks, *providers, *incoming, *canary]

__all__ = ["note_of", "urlpatterns"]
