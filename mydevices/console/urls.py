from django.urls import path

from mydevices.console.views import invitations, overview, policies, settings

app_name = "console"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("policies", policies.index, name="policies"),
    path("policies/who", policies.who, name="policies_who"),
    path("policies/new/<str:kind>", policies.new, name="policies_new"),
    path("policies/reach/<str:kind>", policies.reach, name="policies_reach"),
    path("policies/<uuid:policy_id>", policies.policy, name="policies_edit"),
    path("policies/<uuid:policy_id>/move/<str:direction>", policies.move, name="policies_move"),
    path("policies/<uuid:policy_id>/delete", policies.delete, name="policies_delete"),
    path("invitations", invitations.index, name="invitations"),
    path("invitations/change", invitations.change, name="invitations_change"),
    path("invitations/new", invitations.new, name="invitations_new"),
    path("invitations/list", invitations.read_list, name="invitations_list"),
    path("invitations/list/send", invitations.send_list, name="invitations_send"),
    path("invitations/mail", invitations.mail_preview, name="invitations_mail"),
    path("invitations/<uuid:invitation_id>", invitations.invitation, name="invitations_one"),
    path("invitations/<uuid:invitation_id>/link", invitations.link, name="invitations_link"),
    path("settings", settings.index, name="settings"),
    path("settings/organisation", settings.about, name="settings_about"),
    path("settings/brand", settings.brand, name="settings_brand"),
    path("settings/sign-in", settings.sign_in_rules, name="settings_sign_in"),
    path("settings/brand/logo", settings.logo, name="settings_logo"),
    path("settings/apple-push", settings.push_certificate, name="settings_push"),
    path("settings/apple-push/request", settings.push_request, name="settings_push_request"),
    path("settings/providers/new", settings.provider_new, name="settings_provider_new"),
    path("settings/providers/<slug:provider_id>", settings.provider, name="settings_provider"),
    path("settings/providers/<slug:provider_id>/remove", settings.provider_remove, name="settings_provider_remove"),
]
