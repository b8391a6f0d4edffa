"""`python -m tests.identity PORT FOLDER CALLBACK`: run the provider until it is told to stop, or its parent is gone."""

import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

PORT, FOLDER, CALLBACK = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.identity.settings"
os.environ["IDENTITY_FOLDER"] = str(FOLDER)

from cryptography.hazmat.primitives import serialization  # noqa: E402  the environment comes first
from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: E402  the same

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
(FOLDER / "key.pem").write_bytes(
    KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
)

import django  # noqa: E402  the same

django.setup()

from allauth.account.models import EmailAddress  # noqa: E402  models can be imported from here on
from allauth.idp.oidc.models import Client  # noqa: E402  the same
from django.contrib.auth.hashers import make_password  # noqa: E402  the same
from django.contrib.auth.models import Group, User  # noqa: E402  the same
from django.core.management import call_command  # noqa: E402  the same
from django.core.wsgi import get_wsgi_application  # noqa: E402  the same

from mydevices.cli import processes  # noqa: E402  the same
from tests.identity.lies import Lies  # noqa: E402  the same
from tests.identity.people import CLIENT, PASSWORD, PEOPLE, SECRET  # noqa: E402  the same


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  the signature is the library's
        pass


class Many(ThreadingMixIn, WSGIServer):
    """Answers others while one waits."""

    daemon_threads = True


def fill() -> None:
    call_command("migrate", verbosity=0)
    for person in PEOPLE:
        user = User.objects.create_user(person.username, person.email, PASSWORD, first_name=person.first_name)
        user.last_name = person.last_name
        user.save()
        EmailAddress.objects.create(user=user, email=person.email, verified=person.is_verified, primary=True)
        user.groups.set([Group.objects.get_or_create(name=name)[0] for name in person.groups])
    Client.objects.create(
        id=CLIENT,
        name="MyDevices",
        secret=make_password(SECRET),
        scopes="openid\nprofile\nemail",
        redirect_uris=CALLBACK,
        skip_consent=True,
    )


if __name__ == "__main__":
    processes.die_with_parent()
    fill()
    with make_server("127.0.0.1", PORT, Lies(get_wsgi_application(), FOLDER, KEY), Many, Quiet) as server:
        server.serve_forever()
