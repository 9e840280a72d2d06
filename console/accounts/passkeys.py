"""Passkeys (WebAuthn): a key in somebody's device in the place of password and one-time password, or as the second factor.

A challenge is signed by the console and bound to whoever asked for it: the login page's cookie, the first step of a login, or a
session. So nothing is stored for those who only open a page; what is stored of a challenge is that it was used, until its time
is over. Attestation is not asked for: what a device says of its maker is thrown away before it is read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from console.accounts.tables import words
from console.errors import LoginRefused
from vault.errors import UsageError

if TYPE_CHECKING:
    from console.accounts.account_log import AccountLog
    from console.state import ConsoleState
    from vault.clock import Clock
    from vault.randomness import Randomness

HOLDS = 600
"""Seconds from a page to the answer."""
LARGEST = 16 << 10
"""Bytes of an answer."""
LARGEST_ID, LARGEST_KEY = 1023, 2048
MOST = 20
"""Passkeys of one person."""
LONGEST_LABEL = 100
ALGORITHMS = (-7, -8, -257)
"""ES256, EdDSA, RS256, by their numbers in COSE."""
_NONCE, _UNTIL, _MARK = 16, 8, 32

Purpose = Literal["sign-in", "second-factor", "register"]


class Site(Struct, frozen=True):
    """What passkeys are bound to. host: the name of the console, WebAuthn's RP ID · origin: as browsers say it."""

    host: str
    origin: str


class Passkey(Struct, frozen=True):
    """One that is registered. used: last · doubted: when its counter went back, as with a copy; None: it did not."""

    id: bytes
    name: str
    label: str
    created: datetime
    used: datetime | None
    doubted: datetime | None

    @property
    def text(self) -> str:
        """Its id, as forms have it."""
        return words(self.id)


class Verified(Struct, frozen=True):
    """An answer that is right. name: whose passkey it is."""

    name: str
    passkey: Passkey


class CounterWentBack(LoginRefused):
    """The answer is right, but its passkey has counted further before: there may be two of it. passkey: that one."""

    def __init__(self, passkey: Passkey) -> None:
        super().__init__("the passkey may have been copied", hint="sign in with the password, and remove it on your account")
        self.passkey = passkey


class _Response(Struct, rename="camel"):
    client_data: str = msgspec.field(name="clientDataJSON")
    attestation_object: str = ""
    authenticator_data: str = ""
    signature: str = ""


class _Answer(Struct, rename="camel"):
    id: str
    raw_id: str
    type: str
    response: _Response


class _ClientData(Struct, rename="camel"):
    challenge: str
    cross_origin: bool = False


class Passkeys:
    """Makes challenges, and checks what devices answer."""

    def __init__(self, state: ConsoleState, log: AccountLog, clock: Clock, randomness: Randomness) -> None:
        self._state = state
        self._log = log
        self._clock = clock
        self._randomness = randomness
        with state.transaction() as database:
            database.execute("INSERT OR IGNORE INTO passkey_secret VALUES (1, ?)", (randomness.token(32),))
            self._key = bytes(database.execute("SELECT value FROM passkey_secret").fetchone()["value"])

    def any(self) -> bool:
        """Whether anybody has one."""
        with self._state.reading() as database:
            return database.execute("SELECT 1 FROM passkey LIMIT 1").fetchone() is not None

    def of(self, name: str) -> list[Passkey]:
        """Those of a person, the oldest first."""
        with self._state.reading() as database:
            rows = database.execute("SELECT * FROM passkey WHERE name = ? ORDER BY created, id", (name,)).fetchall()
        return [_passkey(row) for row in rows]

    def remove(self, name: str, id_: str) -> Passkey | None:
        """One of a person's; None where they have none such."""
        found = next((one for one in self.of(name) if one.text == id_), None)
        if found is None:
            return None
        with self._state.transaction() as database:
            if database.execute("DELETE FROM passkey WHERE id = ? AND name = ?", (found.id, name)).rowcount:
                self._log.note("passkey-remove", name, label=found.label)
        return found

    # -- what browsers are asked ------------------------------------------------------------------------------------------

    def to_sign_in(self, site: Site, holder: str) -> str:
        """As JSON, for `navigator.credentials.get`: any passkey of this site. holder: what the browser brings back."""
        return json.dumps(self._request("sign-in", site, holder, (), "required"))

    def to_second_factor(self, site: Site, holder: str, name: str) -> str:
        """The same for a passkey of somebody whose password was right."""
        return json.dumps(self._request("second-factor", site, holder, [one.id for one in self.of(name)], "preferred"))

    def to_register(self, site: Site, holder: str, name: str, title: str, made: datetime) -> str:
        """As JSON, for `navigator.credentials.create`. made: when the account was made: who is made anew is another one for
        devices."""
        handle = hmac.digest(self._key, f"{made.timestamp()} {name}".encode(), hashlib.sha256)
        options = {
            "rp": {"id": site.host, "name": "Strongroom"},
            "user": {"id": words(handle), "name": name, "displayName": title or name},
            "challenge": words(self._challenge("register", holder)),
            "pubKeyCredParams": [{"type": "public-key", "alg": one} for one in ALGORITHMS],
            "timeout": HOLDS * 1000,
            "attestation": "none",
            "authenticatorSelection": {"residentKey": "preferred", "userVerification": "preferred"},
            "excludeCredentials": [{"type": "public-key", "id": one.text} for one in self.of(name)],
        }
        return json.dumps(options)

    def _request(
        self, purpose: Purpose, site: Site, holder: str, ids: list[bytes] | tuple[()], verified: str
    ) -> dict[str, Any]:
        return {
            "rpId": site.host,
            "challenge": words(self._challenge(purpose, holder)),
            "timeout": HOLDS * 1000,
            "userVerification": verified,
            "allowCredentials": [{"type": "public-key", "id": words(one)} for one in ids],
        }

    # -- what they answer -------------------------------------------------------------------------------------------------

    def owner(self, sent: str) -> str:
        """Whose passkey somebody says to answer with, which is not proven; "" where there is none such, or it is no answer."""
        try:
            id_ = _id(_answer(sent))
        except LoginRefused:
            return ""
        with self._state.reading() as database:
            row = database.execute("SELECT name FROM passkey WHERE id = ?", (id_,)).fetchone()
        return "" if row is None else str(row["name"])

    def verified(self, sent: str, purpose: Literal["sign-in", "second-factor"], site: Site | None, holder: str) -> Verified:
        """Whose passkey it is. A `sign-in` needs that the device has verified its person. Raises `LoginRefused`,
        `CounterWentBack`."""
        answer, place = _answer(sent), _placed(site)
        challenge = self._own_challenge(answer, purpose, holder)
        with self._state.reading() as database:
            row = database.execute("SELECT * FROM passkey WHERE id = ?", (_id(answer),)).fetchone()
        if row is None:
            raise _wrong()
        count = _signed_count(answer, challenge, place, bytes(row["public_key"]), must_verify=purpose == "sign-in")
        passkey, now = _passkey(row), self._clock.now().timestamp()
        with self._state.transaction() as database:
            self._use(database, challenge)
            went_back = row["doubted"] is not None or not self._counted(database, passkey.id, count, now)
            doubt = "UPDATE passkey SET doubted = ? WHERE id = ? AND doubted IS NULL"
            if went_back and database.execute(doubt, (now, passkey.id)).rowcount:
                self._log.note("passkey-doubted", passkey.name, label=passkey.label)
        if went_back:
            raise CounterWentBack(passkey)
        return Verified(passkey.name, passkey)

    def register(self, sent: str, name: str, label: str, site: Site | None, holder: str) -> Passkey:
        """A new one of somebody whose password was right a moment ago. Raises `LoginRefused` for an answer that is wrong,
        `UsageError`."""
        label = label.strip()
        if not label or len(label) > LONGEST_LABEL or not label.isprintable():
            raise UsageError(f"a passkey needs a name of at most {LONGEST_LABEL} characters", hint="say on which device it is")
        answer, place = _answer(sent), _placed(site)
        challenge = self._own_challenge(answer, "register", holder)
        id_, key, count = _registered(answer, challenge, place)
        now = self._clock.now().timestamp()
        with self._state.transaction() as database:
            self._use(database, challenge)
            if database.execute("SELECT count(*) FROM passkey WHERE name = ?", (name,)).fetchone()[0] >= MOST:
                raise UsageError(f"you have {MOST} passkeys already", hint="remove those that you do not use")
            try:
                database.execute(
                    "INSERT INTO passkey (id, name, public_key, uses, label, created) VALUES (?, ?, ?, ?, ?, ?)",
                    (id_, name, key, count, label, now),
                )
            except sqlite3.IntegrityError as error:
                raise UsageError("this passkey is registered already", hint="choose another device") from error
            self._log.note("passkey-add", name, label=label)
        return Passkey(id_, name, label, datetime.fromtimestamp(now, UTC), None, None)

    def _counted(self, database: sqlite3.Connection, id_: bytes, count: int, now: float) -> bool:
        """Whether the counter went on; devices that do not count say 0 for ever."""
        changed = database.execute(
            "UPDATE passkey SET uses = ?, used = ? WHERE id = ? AND doubted IS NULL AND (uses < ? OR (uses = 0 AND ? = 0))",
            (count, now, id_, count, count),
        )
        return changed.rowcount == 1

    def _challenge(self, purpose: Purpose, holder: str) -> bytes:
        until = int(self._clock.now().timestamp()) + HOLDS
        head = self._randomness.token(_NONCE) + until.to_bytes(_UNTIL, "big")
        return head + self._mark(head, purpose, holder)

    def _mark(self, head: bytes, purpose: Purpose, holder: str) -> bytes:
        bound = hashlib.sha256(holder.encode("utf-8", "surrogatepass")).digest()
        return hmac.digest(self._key, b" ".join((purpose.encode(), bound, head)), hashlib.sha256)

    def _own_challenge(self, answer: _Answer, purpose: Purpose, holder: str) -> bytes:
        """The challenge that was answered, if it is one of ours, for this, for the same browser, and not too old. Raises
        `LoginRefused`."""
        try:
            data = msgspec.json.decode(_bytes(answer.response.client_data), type=_ClientData)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise _wrong() from error
        challenge = _bytes(data.challenge)
        head, mark = challenge[:-_MARK], challenge[-_MARK:]
        good = len(head) == _NONCE + _UNTIL and hmac.compare_digest(mark, self._mark(head, purpose, holder))
        if not holder or not good or data.cross_origin:
            raise _wrong()
        if self._clock.now().timestamp() >= int.from_bytes(head[_NONCE:], "big"):
            raise LoginRefused("too much time has passed", hint="try again", again=True)
        return challenge

    def _use(self, database: sqlite3.Connection, challenge: bytes) -> None:
        """It counts once. Raises `LoginRefused`."""
        until = int.from_bytes(challenge[_NONCE : _NONCE + _UNTIL], "big")
        database.execute("DELETE FROM passkey_used WHERE until <= ?", (int(self._clock.now().timestamp()),))
        try:
            database.execute("INSERT INTO passkey_used VALUES (?, ?)", (challenge, until))
        except sqlite3.IntegrityError as error:
            raise _wrong() from error


def site_of(url: str | None, asked: str) -> Site | None:
    """What passkeys of a console are bound to. url: of the settings; None where they have none · asked: the address that was
    asked for. None where it is no name: browsers take `localhost`, but no other address of a network."""
    parts = urlsplit(url or asked)
    host = (parts.hostname or "").lower()
    try:
        ipaddress.ip_address(host)
    except ValueError:
        usual = {"http": 80, "https": 443}.get(parts.scheme)
        port = "" if parts.port in (None, usual) else f":{parts.port}"
        return Site(host, f"{parts.scheme}://{host}{port}") if host else None
    return None


def _placed(site: Site | None) -> Site:
    """Raises `LoginRefused` where the console is asked for by a number: no passkey is bound to that."""
    if site is None:
        raise _wrong()
    return site


def _answer(sent: str) -> _Answer:
    """Raises `LoginRefused`."""
    if len(sent) > LARGEST:
        raise _wrong()
    try:
        return msgspec.json.decode(sent, type=_Answer)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _wrong() from error


def _bytes(text: str) -> bytes:
    """Of base64url without padding. Raises `LoginRefused`."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong() from error


def _id(answer: _Answer) -> bytes:
    found = _bytes(answer.raw_id)
    if not 1 <= len(found) <= LARGEST_ID:
        raise _wrong()
    return found


def _signed_count(answer: _Answer, challenge: bytes, site: Site, public_key: bytes, *, must_verify: bool) -> int:
    """The counter of the device. Raises `LoginRefused`."""
    from webauthn import verify_authentication_response

    response = answer.response
    try:
        found = verify_authentication_response(
            credential={
                "id": answer.id,
                "rawId": answer.raw_id,
                "type": answer.type,
                "response": {
                    "clientDataJSON": response.client_data,
                    "authenticatorData": response.authenticator_data,
                    "signature": response.signature,
                },
            },
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,  # compared by `_counted`, in one step with being written
            require_user_verification=must_verify,
        )
    except Exception as error:  # a parser of others over bytes of strangers: whatever it says, it is refused
        raise _wrong() from error
    return found.new_sign_count


def _registered(answer: _Answer, challenge: bytes, site: Site) -> tuple[bytes, bytes, int]:
    """Its id, its public key (COSE), its counter. Raises `LoginRefused`."""
    from webauthn import verify_registration_response
    from webauthn.helpers import encode_cbor, parse_cbor
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    try:
        said = parse_cbor(_bytes(answer.response.attestation_object))
        plain = encode_cbor({"fmt": "none", "attStmt": {}, "authData": said["authData"]})
        found = verify_registration_response(
            credential={
                "id": answer.id,
                "rawId": answer.raw_id,
                "type": answer.type,
                "response": {"clientDataJSON": answer.response.client_data, "attestationObject": words(plain)},
            },
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(one) for one in ALGORITHMS],
        )
    except Exception as error:  # as above
        raise _wrong() from error
    if found.credential_id != _id(answer) or len(found.credential_public_key) > LARGEST_KEY:
        raise _wrong()
    return found.credential_id, found.credential_public_key, found.sign_count


def _wrong() -> LoginRefused:
    """Whatever it is: who answers wrongly learns nothing by it."""
    return LoginRefused("the passkey was not accepted", hint="try again, or sign in with the password")


def _passkey(row: sqlite3.Row) -> Passkey:
    used, doubted = (None if row[one] is None else datetime.fromtimestamp(row[one], UTC) for one in ("used", "doubted"))
    return Passkey(bytes(row["id"]), row["name"], row["label"], datetime.fromtimestamp(row["created"], UTC), used, doubted)
