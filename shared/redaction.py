"""Takes secrets out of texts that others read: passwords in URLs, tokens, signatures of addresses."""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final
from urllib.parse import unquote

from jobyard.shared.config import Settings
from jobyard.shared.tokens import PREFIX

HIDDEN: Final = "***"
# A password that is shorter may be a word of any text.
LEAST_CHARACTERS: Final = 8

# postgresql://user:password@host, and rediss://:password@host. The last @ of the authority ends the password.
_PASSWORD: Final = re.compile(r"(?<=://)([^\s/:@'\"]*):[^\s/'\"]+(?=@)")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/-]{8,}=*")
# Tokens of this server.
_TOKEN: Final = re.compile(rf"{PREFIX}[\w-]{{20,}}")
# ?X-Amz-Signature=…, ?token=…
_QUERY: Final = re.compile(
    r"(?i)([?&][\w.-]*(?:signature|token|secret|password|credential|sig|key)=)[^&\s#'\"<>]+"
)
# Variables of the environment, those of other programs as well: AWS_SECRET_ACCESS_KEY, HF_TOKEN, PGPASSWORD.
_VARIABLE: Final = re.compile(r"(?:TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|ACCESS_KEY)$")
_OF_URL: Final = re.compile(r"://[^\s/:@]*:([^\s/]+)@")


class Redactor:
    """Knows this server's own secrets, and how others look."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({one for one in secrets if len(one) >= LEAST_CHARACTERS}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    @classmethod
    def of(cls, settings: Settings) -> "Redactor":
        """With the secrets in the settings and in the environment."""
        urls = (settings.database, settings.broker, settings.storage)
        found = [password for url in urls for password in _OF_URL.findall(url)]
        found += [unquote(password) for password in found]
        if settings.token is not None:
            found.append(settings.token.get_secret_value())
        with suppress(OSError):
            found.append((settings.home / "token").read_text().strip())
        found += [value for name, value in os.environ.items() if _VARIABLE.search(name)]
        return cls(found)

    def __call__(self, text: str) -> str:
        """The text with `***` in the place of secrets."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        if "://" in text:
            text = _PASSWORD.sub(rf"\1:{HIDDEN}", text)
        if "=" in text:
            text = _QUERY.sub(rf"\1{HIDDEN}", text)
        if PREFIX in text:
            text = _TOKEN.sub(HIDDEN, text)
        return _BEARER.sub(rf"\1\2{HIDDEN}", text)
