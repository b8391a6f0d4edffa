from django.urls import path

from mydevices.portal.views import account, actions, brand, devices, invitation, registration

app_name = "portal"

urlpatterns = [
    path("", devices.index, name="devices"),
    path("now", devices.index_now, name="devices_now"),
    path("history", devices.history, name="history"),
    path("devices/<uuid:device_id>", devices.device, name="device"),
    path("devices/<uuid:device_id>/now", devices.device_now, name="device_now"),
    path("devices/<uuid:device_id>/history", devices.device_history, name="device_history"),
    path("devices/<uuid:device_id>/check-in", actions.check_in, name="check_in"),
    path("devices/<uuid:device_id>/lock", actions.lock, name="lock"),
    path("devices/<uuid:device_id>/unlock", actions.unlock, name="unlock"),
    path("devices/<uuid:device_id>/wipe", actions.wipe, name="wipe"),
    path("devices/<uuid:device_id>/retire", actions.retire, name="retire"),
    path("devices/<uuid:device_id>/pins", actions.pins, name="pins"),
    path("devices/<uuid:device_id>/actions/<uuid:action_id>/cancel", actions.cancel, name="cancel"),
    path("register", registration.register, name="register"),
    path("register/terms", registration.terms, name="terms"),
    path("register/new-pin", registration.new_pin, name="new_pin"),
    path("register/pin", registration.by_pin, name="register_by_pin"),
    path("register/pin/device", registration.by_pin_device, name="register_by_pin_device"),
    path("register/pin/new", registration.ask_pin, name="ask_pin"),
    path("register/<uuid:ticket_id>", registration.ticket, name="ticket"),
    path("register/<uuid:ticket_id>/now", registration.ticket_now, name="ticket_now"),
    path("register/<uuid:ticket_id>/code.svg", registration.qr, name="qr"),
    path("register/<uuid:ticket_id>/revoke", registration.revoke, name="revoke"),
    path("r/<str:code>", registration.open_ticket, name="open_ticket"),
    path("r/<str:code>/profile", registration.profile, name="profile"),
    path("invitation/<str:token>", invitation.invitation, name="invitation"),
    path("brand/<slug:accent>.css", brand.stylesheet, name="brand"),
    path("brand/<slug:version>.png", brand.logo, name="logo"),
    path("account", account.account, name="account"),
    path("setup/<str:token>", account.setup, name="setup"),
    path("user/login.html", account.old_sign_in, name="old_sign_in"),
]
