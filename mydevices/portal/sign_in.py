"""Addresses of providers, second factors and sessions. The names without a namespace are django-allauth's."""

from django.urls import path

from mydevices.portal.views import account, factors, providers

urlpatterns = [
    path("sign-in/with/<slug:provider_id>", providers.leave, name="openid_connect_login"),
    path("sign-in/with/<slug:provider_id>/back", providers.back, name="openid_connect_callback"),
    path("sign-in/with/<slug:provider_id>/account", providers.adopt, name="provider_adopt"),
    path("sign-in/again/with/<slug:provider_id>", providers.again, name="provider_again"),
    path("sign-in/passkey", factors.sign_in_with_passkey, name="mfa_login_webauthn"),
    path("sign-in/code", factors.second_step, name="mfa_authenticate"),
    path("sign-in/again/done", factors.confirmed, name="confirmed"),
    path("sign-in/again/code", factors.again_with_code, name="mfa_reauthenticate"),
    path("sign-in/again/passkey", factors.again_with_passkey, name="mfa_reauthenticate_webauthn"),
    path("account/security", account.sign_in, name="mfa_index"),
    path("account/security/with/<slug:provider_id>", providers.link, name="provider_link"),
    path("account/security/with/<slug:provider_id>/end", providers.unlink, name="provider_unlink"),
    path("account/security/passkeys/new", factors.add_passkey, name="mfa_add_webauthn"),
    path("account/security/passkeys/<int:pk>/remove", factors.remove_passkey, name="mfa_remove_webauthn"),
    path("account/security/app", factors.add_app, name="mfa_activate_totp"),
    path("account/security/app/remove", factors.remove_app, name="mfa_deactivate_totp"),
    path("account/security/codes", factors.show_codes, name="mfa_view_recovery_codes"),
    path("account/security/codes/new", factors.new_codes, name="mfa_generate_recovery_codes"),
    path("account/sessions", factors.signed_in, name="usersessions_list"),
    path("account/sessions/end", factors.end_others, name="sessions_end_others"),
    path("account/sessions/<int:session_id>/end", factors.end_session, name="session_end"),
]
