from django.urls import path

from mydevices.console.views import overview

app_name = "console"

urlpatterns = [
    path("", overview.overview, name="overview"),
]
