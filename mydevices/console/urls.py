from django.urls import path

from mydevices.console.views import invitations, overview

app_name = "console"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("invitations", invitations.index, name="invitations"),
    path("invitations/change", invitations.change, name="invitations_change"),
    path("invitations/new", invitations.new, name="invitations_new"),
    path("invitations/list", invitations.read_list, name="invitations_list"),
    path("invitations/list/send", invitations.send_list, name="invitations_send"),
    path("invitations/mail", invitations.mail_preview, name="invitations_mail"),
    path("invitations/<uuid:invitation_id>", invitations.invitation, name="invitations_one"),
    path("invitations/<uuid:invitation_id>/link", invitations.link, name="invitations_link"),
]
