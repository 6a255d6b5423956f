# SPDX-License-Identifier: BSD-3-Clause
"""A lock that programs which measure on one machine share, by flock on a file; the scripts' option --lock."""
import fcntl
import time

MOST = 45  # seconds after which others get a turn


class Turn:
    """Without a file it does nothing."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8") if path else None
        self.since = None

    def take(self):
        if self.file and self.since is None:
            fcntl.flock(self.file, fcntl.LOCK_EX)
            self.since = time.monotonic()

    def give(self):
        if self.file and self.since is not None:
            fcntl.flock(self.file, fcntl.LOCK_UN)
            self.since = None
            time.sleep(0.5)

    def pause(self):
        """Between two measurements: gives the lock to others if it was held for long."""
        if self.since is not None and time.monotonic() - self.since > MOST:
            self.give()
