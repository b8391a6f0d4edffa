"""python -m simulator run | register | push-certificate | mail-identity

run               the gateway, the screens and an inbox, with every device of the state directory, until SIGTERM
register          register one device, keep it in the state directory, and end
push-certificate  play Apple's push certificate portal: sign a request
mail-identity     play who issues e-mail certificates: a PKCS #12 file for somebody
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from cryptography import x509

from simulator.apple import Apple, topic_of, write_private
from simulator.device import Device
from simulator.errors import SimulatorError, Unreachable
from simulator.fleet import USUAL_USER, Fleet, new_device
from simulator.gateway import Gateway, Manners
from simulator.inbox import Inbox
from simulator.issuer import mail_identity
from simulator.scep import CURRENT, OLD
from simulator.screens import Screens
from simulator.transport import HttpTransport

DEVICE_KEYS = frozenset({"name", "kind", "model", "supervised", "profile", "url", "user", "old"})


def device_options(text: str) -> dict[str, str]:
    """name=Ines’s iPhone,kind=iphone,model=iPhone17,1: a piece without an equals sign belongs to the value before."""
    found: dict[str, str] = {}
    key = ""
    for piece in text.split(","):
        name, equals, value = piece.partition("=")
        if equals and name.strip() in DEVICE_KEYS:
            key = name.strip()
            found[key] = value
        elif key:
            found[key] += f",{piece}"
        else:
            raise argparse.ArgumentTypeError(f"not a device: {text}")
    if "name" not in found:
        raise argparse.ArgumentTypeError(f"a device needs a name: {text}")
    return found


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description="Simulated Apple devices and push service."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)

    run = verbs.add_parser("run", help="start the push gateway and the screens")
    run.add_argument("--state", type=Path, required=True, metavar="DIR")
    run.add_argument("--gateway-port", type=int, default=0, metavar="N")
    run.add_argument("--screens-port", type=int, default=0, metavar="N")
    run.add_argument("--inbox-port", type=int, metavar="N", help="take mails, and show them on this port")
    run.add_argument("--smtp-port", type=int, default=0, metavar="N", help="where the inbox takes mails")
    run.add_argument(
        "--device",
        type=device_options,
        action="append",
        default=[],
        metavar="name=…,kind=iphone|ipad|mac,model=…,supervised=yes|no,user=short:Long Name,profile=FILE|url=ADDRESS",
        help="register this device, unless the state directory has one of that name that is registered",
    )
    run.add_argument("--goaway-every", type=int, metavar="N", help="close each gateway connection after N pushes")
    run.add_argument("--push-delay", type=float, default=0.0, metavar="SECONDS", help="answer pushes late")

    register = verbs.add_parser("register", help="register one device and end")
    register.add_argument("--state", type=Path, required=True, metavar="DIR")
    source = register.add_mutually_exclusive_group(required=True)
    source.add_argument("--profile", type=Path, metavar="FILE")
    source.add_argument("--url", metavar="ADDRESS")
    register.add_argument("--name", default=None)
    register.add_argument("--kind", default="iphone", choices=["iphone", "ipad", "mac"])
    register.add_argument("--model", default=None, metavar="iPhone17,1")
    register.add_argument("--supervised", action="store_true")
    register.add_argument("--old", action="store_true", help="speak SCEP as old clients do")

    for verb in (run, register):
        verb.add_argument("--ca", type=Path, metavar="FILE", help="trust these authorities too (PEM)")
        verb.add_argument("--patience", type=float, default=30.0, metavar="SECONDS", help="wait for the server")

    portal = verbs.add_parser("push-certificate", help="sign a push certificate")
    portal.add_argument("--state", type=Path, required=True, metavar="DIR")
    portal.add_argument("--csr", type=Path, required=True, metavar="FILE")
    portal.add_argument("--out", type=Path, required=True, metavar="FILE")
    portal.add_argument("--topic", default=None, help="keep this topic, for a renewal")

    issuer = verbs.add_parser("mail-identity", help="issue an e-mail certificate")
    issuer.add_argument("--state", type=Path, required=True, metavar="DIR")
    issuer.add_argument("--name", required=True, metavar="“Ines Okafor”")
    issuer.add_argument("--email", required=True, metavar="ADDRESS")
    issuer.add_argument("--purpose", default="both", choices=["signing", "encryption", "both"])
    issuer.add_argument("--password", required=True)
    issuer.add_argument("--days", type=int, default=None, metavar="N", help="valid for so long")
    issuer.add_argument("--out", type=Path, required=True, metavar="FILE.p12")
    return parser.parse_args(argv)


def enrol(device: Device, options: Mapping[str, str], *, patience: float, stop: threading.Event) -> None:
    """Register by profile or address. A server that does not answer yet is waited for, `patience` seconds at most."""
    deadline = time.monotonic() + patience
    while True:
        try:
            if "profile" in options:
                device.register(Path(options["profile"]).read_bytes())
            else:
                device.open(options["url"])
        except Unreachable as error:
            if error.status not in {0, 502, 503, 504} or time.monotonic() > deadline or stop.wait(0.3):
                raise
        except OSError as error:
            raise SimulatorError(f"{options['profile']}: {error.strerror}") from error
        else:
            return


def _prepare(fleet: Fleet, options: Mapping[str, str]) -> Device:
    """The device of that name, kept or new."""
    known = fleet.named(options["name"])
    if known is not None:
        return known
    short, _colon, long = options.get("user", "").partition(":")
    made = new_device(
        options.get("kind", "iphone"),
        send=fleet.send,
        name=options["name"],
        product=options.get("model"),
        supervised=options.get("supervised") == "yes",
        manner=OLD if options.get("old") == "yes" else CURRENT,
        user=(short, long or short) if short else USUAL_USER,
    )
    return fleet.add(made)


def run(options: argparse.Namespace) -> None:
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with ExitStack() as stack:
        apple = Apple.at(options.state)
        send = HttpTransport(authorities=options.ca)
        stack.callback(send.close)
        fleet = stack.enter_context(Fleet(send=send, state=options.state))
        manners = Manners(goaway_every=options.goaway_every, delay=options.push_delay)
        gateway = stack.enter_context(Gateway(apple=apple, fleet=fleet, port=options.gateway_port, manners=manners))
        screens = stack.enter_context(Screens(fleet=fleet, port=options.screens_port))
        mail = ""
        if options.inbox_port is not None:
            inbox = Inbox(state=options.state, port=options.inbox_port, smtp_port=options.smtp_port)
            stack.enter_context(inbox)
            mail = f" inbox {inbox.url} smtp {inbox.smtp_port}"
        for wanted in options.device:
            device = _prepare(fleet, wanted)
            if not device.is_registered and {"profile", "url"} & wanted.keys():
                try:
                    enrol(device, wanted, patience=options.patience, stop=stop)
                except Unreachable:
                    if stop.is_set():
                        return  # told to end while waiting for the server
                    raise
        print(f"ready: screens {screens.url} gateway {gateway.url} devices {len(fleet.devices())}{mail}", flush=True)
        stop.wait()


def register(options: argparse.Namespace) -> None:
    send = HttpTransport(authorities=options.ca)
    with ExitStack() as stack:
        stack.callback(send.close)
        fleet = stack.enter_context(Fleet(send=send, state=options.state))
        wanted = {"kind": options.kind, "name": options.name or f"Simulated {options.kind}"}
        wanted |= {"model": options.model} if options.model else {}
        wanted |= {"supervised": "yes"} if options.supervised else {}
        wanted |= {"old": "yes"} if options.old else {}
        wanted |= {"profile": str(options.profile)} if options.profile else {"url": options.url}
        device = _prepare(fleet, wanted)
        enrol(device, wanted, patience=options.patience, stop=threading.Event())
        print(f"registered {device.memory.name} {device.udid}")


def push_certificate(options: argparse.Namespace) -> None:
    apple = Apple.at(options.state)
    try:
        pem = apple.push_certificate(options.csr.read_bytes(), topic=options.topic)
        options.out.write_bytes(pem)
    except OSError as error:
        raise SimulatorError(f"{error.filename}: {error.strerror}") from error
    topic = topic_of(x509.load_pem_x509_certificate(pem))
    print(f"topic {topic} gateway-authority {apple.gateway_authority_file}")


def issue_mail_identity(options: argparse.Namespace) -> None:
    data = mail_identity(
        name=options.name, email=options.email, purpose=options.purpose, password=options.password, days=options.days
    )
    try:
        write_private(options.out, data)
    except OSError as error:
        raise SimulatorError(f"{error.filename}: {error.strerror}") from error
    print(f"issued {options.out}")


VERBS = {
    "run": run,
    "register": register,
    "push-certificate": push_certificate,
    "mail-identity": issue_mail_identity,
}


def main(argv: Sequence[str]) -> int:
    options = arguments(argv)
    try:
        VERBS[options.verb](options)
    except SimulatorError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
