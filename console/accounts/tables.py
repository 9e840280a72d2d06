"""What is stored of accounts. Of tokens and sessions there is the SHA-256 alone: whoever reads the file cannot sign in with it.

Moments are seconds since 1970. Statements are only ever added at the end.
"""

from __future__ import annotations

import base64
import hashlib

STATEMENTS = (
    """CREATE TABLE account (
        name TEXT PRIMARY KEY, title TEXT NOT NULL, groups TEXT NOT NULL, password TEXT NOT NULL,
        totp BLOB, totp_step INTEGER NOT NULL DEFAULT 0, totp_new BLOB, created REAL NOT NULL) STRICT""",
    """CREATE TABLE session (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, title TEXT NOT NULL, groups TEXT NOT NULL, way TEXT NOT NULL,
        csrf TEXT NOT NULL, created REAL NOT NULL, seen REAL NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL) STRICT""",
    "CREATE INDEX session_of_name ON session (name)",
    """CREATE TABLE login_step (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, back TEXT NOT NULL, created REAL NOT NULL, tries INTEGER NOT NULL) STRICT""",
    """CREATE TABLE token (
        id TEXT PRIMARY KEY, secret TEXT NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL, groups TEXT NOT NULL,
        way TEXT NOT NULL, label TEXT NOT NULL, actions TEXT NOT NULL, projects TEXT NOT NULL, created REAL NOT NULL,
        until REAL NOT NULL, used REAL) STRICT""",
    "CREATE INDEX token_of_name ON token (name)",
    "CREATE TABLE failure (subject TEXT PRIMARY KEY, count INTEGER NOT NULL, last REAL NOT NULL) STRICT",
    "CREATE TABLE preference (name TEXT PRIMARY KEY, language TEXT NOT NULL) STRICT",
    """CREATE TABLE vouched (
        issuer TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL UNIQUE, PRIMARY KEY (issuer, subject)) STRICT""",
    """CREATE TABLE openid_try (
        id TEXT PRIMARY KEY, nonce TEXT NOT NULL, verifier TEXT NOT NULL, back TEXT NOT NULL, created REAL NOT NULL) STRICT""",
    """CREATE TABLE passkey (
        id BLOB PRIMARY KEY, name TEXT NOT NULL, public_key BLOB NOT NULL, uses INTEGER NOT NULL, label TEXT NOT NULL,
        created REAL NOT NULL) STRICT""",
    "CREATE TABLE passkey_try (challenge BLOB PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL) STRICT",
    "DROP TABLE passkey_try",
    "CREATE TABLE passkey_secret (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL) STRICT",
    "CREATE TABLE passkey_used (challenge BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT",
    "ALTER TABLE passkey ADD COLUMN used REAL",
    "ALTER TABLE passkey ADD COLUMN doubted REAL",
)


def words(data: bytes) -> str:
    """Random bytes as they stand in a cookie or a header."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest(secret: str) -> str:
    """Under which a secret of full strength is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()
