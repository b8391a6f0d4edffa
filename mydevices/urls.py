"""Every page's address. The device plane and health have none here: see `plane`."""

from django.urls import include, path

urlpatterns = [
    path("", include("mydevices.portal.urls")),
    path("console/", include("mydevices.console.urls")),
    path("", include("mydevices.accounts.urls")),
    path("", include("mydevices.portal.sign_in")),
]
