"""The link that `lackey serve` prints, with which whoever reads the terminal signs in, once."""

import hmac
import secrets
import threading


class Link:
    """A code that stands for a key, until it is used. One made with no key stands for nothing."""

    def __init__(self, key: str | None = None) -> None:
        """`key`: whose holder the link lets in as."""
        self.code = secrets.token_urlsafe(16)
        self._key = key
        self._lock = threading.Lock()

    def fits(self, code: str) -> bool:
        """Whether it is this link's code, and still of use."""
        return self._key is not None and hmac.compare_digest(code.encode(), self.code.encode())

    def take(self, code: str) -> str | None:
        """The key, the first time the right code comes."""
        with self._lock:
            if not self.fits(code):
                return None
            key, self._key = self._key, None
            return key
