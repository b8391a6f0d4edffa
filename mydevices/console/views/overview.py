"""The console's first page: how the organisation's devices are."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mydevices.accounts.rights import Right
from mydevices.console.access import console_page
from mydevices.devices import selectors as devices


@require_safe
@console_page(Right.SEE_DEVICES)
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "console/overview.html", {"counts": devices.count_by_state()})
