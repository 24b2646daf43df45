"""Passwords: hashed with argon2id, in threads and two at a time, because each costs 64 MB and a tenth of a second."""

import asyncio

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from ferrata.infra.errors import Problem, Rejected

SHORTEST, LONGEST = 12, 256
_AT_ONCE = 2


class WeakPassword(Rejected):
    """This password would be guessed."""

    code = "weak_password"


def check_strength(password: str, email: str) -> None:
    """Length is what counts (NIST SP 800-63B): at least 12 characters, and not the address itself.

    Raises:
        WeakPassword: with a problem at ``password``.
    """
    problem = None
    if not SHORTEST <= len(password) <= LONGEST:
        problem = f"password needs {SHORTEST} to {LONGEST} characters; a few words in a row are best"
    elif password.lower() == email.lower() or len(set(password)) < 4:
        problem = "password must not be your e-mail address or one character repeated"
    if problem:
        raise WeakPassword(problem, problems=(Problem("password", problem),))


class Passwords:
    def __init__(self, *, time_cost: int = 3, memory_kib: int = 65_536) -> None:
        self._hash = PasswordHash((Argon2Hasher(time_cost=time_cost, memory_cost=memory_kib),))
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hash.hash, password)

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether they belong together. Without a hash (no such address, or no password) it takes as long, and is False."""
        if self._nobody is None:
            self._nobody = await self.hash("nobody has this password")
        async with self._turns:
            fits = await asyncio.to_thread(self._hash.verify, password[: LONGEST + 1], password_hash or self._nobody)
        return fits and bool(password_hash)
