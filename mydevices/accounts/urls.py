"""Sign-in and what belongs to it, under this product's own addresses; the names are django-allauth's."""

from allauth.account import views
from django.urls import path

from mydevices.accounts.views import password_change

urlpatterns = [
    path("sign-in", views.login, name="account_login"),
    path("sign-out", views.logout, name="account_logout"),
    path("sign-in/again", views.reauthenticate, name="account_reauthenticate"),
    path("sign-in/inactive", views.account_inactive, name="account_inactive"),
    path("account/password", password_change, name="account_change_password"),
]
